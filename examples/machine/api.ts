// An API that believes access tokens of Latchkey: it verifies the signature, the issuer, the audience and the kind of the token by itself, and looks
// for the scope that each call needs (RFC 9068, 4; RFC 6750, 3).
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';

const { ISSUER = 'http://localhost:3000', RESOURCE = 'https://api.example.com', PORT = '3005' } = process.env;
const keys = createRemoteJWKSet(new URL('/jwks', ISSUER));

const scopes: Readonly<Record<string, string>> = {
  'GET /orders': 'orders:read',
  'DELETE /orders': 'orders:write',
};

/** @returns null for a token that is no good here, whatever is wrong with it */
async function verify(req: IncomingMessage): Promise<JWTPayload | null> {
  const [, token] = /^Bearer ([\w.-]+)$/i.exec(req.headers.authorization ?? '') ?? [];
  if (token === undefined) return null;
  try {
    const expected = { issuer: ISSUER, audience: RESOURCE, algorithms: ['ES256'], typ: 'at+jwt' };
    return (await jwtVerify(token, keys, expected)).payload;
  } catch {
    return null;
  }
}

async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { pathname } = new URL(req.url ?? '/', 'http://localhost');
  const scope = scopes[`${req.method} ${pathname}`];
  if (scope === undefined) return void res.writeHead(404).end();
  const token = await verify(req);
  if (!token) {
    const challenge = req.headers.authorization === undefined ? 'Bearer' : 'Bearer error="invalid_token"';
    return void res.writeHead(401, { 'WWW-Authenticate': challenge }).end();
  }
  if (!String(token['scope']).split(' ').includes(scope)) {
    const challenge = `Bearer error="insufficient_scope", scope="${scope}"`;
    return void res.writeHead(403, { 'WWW-Authenticate': challenge }).end();
  }
  res.writeHead(200, { 'Content-Type': 'application/json' });
  res.end(JSON.stringify({ orders: [1, 2, 3], askedBy: token['client_id'] }));
}

createServer((req, res) => {
  answer(req, res).catch(() => res.writeHead(500).end());
}).listen(Number(PORT), '127.0.0.1', () => process.stdout.write(`The API is ready: http://localhost:${PORT}/orders\n`));
