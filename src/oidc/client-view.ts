// What pages show of a client. Names are text, shortened and without control or direction characters; links are https only.
import type { Client as EngineClient } from 'oidc-provider';
import type { ClientMetadata } from '../client/client-metadata.ts';

export interface ClientView {
  readonly name: string;
  /** Where the answer goes: what a person can compare with the address bar. */
  readonly host: string;
  readonly url: string | null;
  readonly policyUri: string | null;
  readonly tosUri: string | null;
  readonly logoUri: null;
}

/** @param redirectUri of this request, for the host; otherwise the first registered one counts */
export function clientView(client: EngineClient | undefined, redirectUri?: string): ClientView | null {
  return client ? viewOf(client, redirectUri) : null;
}

/** @param metadata as it is stored; without it the id is all that is known */
export function registeredClientView(clientId: string, metadata: ClientMetadata | undefined): ClientView {
  return viewOf({
    clientId,
    clientName: metadata?.client_name,
    redirectUris: metadata?.redirect_uris,
    // The id of a client that is described by a document is the document's address.
    clientUri: metadata === undefined ? clientId : metadata.client_uri,
    policyUri: metadata?.policy_uri,
    tosUri: metadata?.tos_uri,
  });
}

type Shown = Pick<EngineClient, 'clientId' | 'clientName' | 'redirectUris' | 'clientUri' | 'policyUri' | 'tosUri'>;

function viewOf(client: Shown, redirectUri?: string): ClientView {
  const target = redirectUri ?? client.redirectUris?.[0] ?? '';
  const url = link(client.clientUri);
  return {
    name: plain(client.clientName ?? client.clientId),
    host: hostOf(target) || hostOf(client.clientUri ?? ''),
    url,
    policyUri: link(client.policyUri),
    tosUri: link(client.tosUri),
    // Logos are shown once we can fetch and serve them ourselves: pages load nothing from other origins.
    logoUri: null,
  };
}

function hostOf(uri: string): string {
  const parsed = URL.parse(uri);
  if (!parsed) return '';
  return /^https?:$/.test(parsed.protocol) ? parsed.host : parsed.protocol.replace(':', '');
}

/** https, or plain http on the own machine for development. */
function link(uri: string | undefined): string | null {
  const parsed = URL.parse(uri ?? '');
  if (!parsed) return null;
  const isLoopback = ['localhost', '127.0.0.1', '[::1]'].includes(parsed.hostname);
  return parsed.protocol === 'https:' || (parsed.protocol === 'http:' && isLoopback) ? parsed.href : null;
}

function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').slice(0, 100);
}
