// A small web server of a client's: documents at paths, which the test can change and count. On https when asked, with a certificate that this
// process trusts from then on.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

export interface JsonHost {
  /** Without a path. */
  readonly url: string;
  /** By path; a function answers by itself. */
  readonly documents: Map<string, unknown>;
  /** Extra headers of every answer. */
  readonly headers: Record<string, string>;
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  close(): Promise<void>;
}

export async function startJsonHost(
  options: { readonly isSecure?: boolean; readonly isExpired?: boolean } = {},
): Promise<JsonHost> {
  const documents = new Map<string, unknown>();
  const headers: Record<string, string> = {};
  const asked: string[] = [];
  const answer = (req: IncomingMessage, res: ServerResponse): void => {
    const path = req.url ?? '/';
    asked.push(path);
    const document = documents.get(path);
    if (document === undefined) {
      res.writeHead(404).end();
      return;
    }
    res.writeHead(200, { 'content-type': 'application/json', ...headers });
    res.end(typeof document === 'string' ? document : JSON.stringify(document));
  };
  const server = options.isSecure
    ? createSecureServer(trustedCertificate(options.isExpired ? 'localhost-expired' : 'localhost'), answer)
    : createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.isSecure ? 'https' : 'http'}://localhost:${port}`,
    documents,
    headers,
    asked,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const CERTIFICATES = join(import.meta.dirname, 'certificates');

/** For localhost and 127.0.0.1, signed by nobody but itself; only the processes of tests trust it. */
function trustedCertificate(name: string): { readonly key: string; readonly cert: string } {
  const cert = readFileSync(join(CERTIFICATES, `${name}.crt`), 'utf8');
  const known = getCACertificates('default');
  if (!known.includes(cert)) setDefaultCACertificates([...known, cert]);
  return { key: readFileSync(join(CERTIFICATES, `${name}.key`), 'utf8'), cert };
}
