// How the engine reads clients, and writes those that register themselves by the protocol (RFC 7591, RFC 7592). Everything about the rows is
// src/client's; secrets reach the engine as hashes only.
import { type Adapter, type AdapterPayload, type Client as EngineClient, errors, Provider } from 'oidc-provider';
import { type Clients, needsSecret, type RegisteredClient } from '../client/clients.ts';
import { InvalidRequest } from '../errors.ts';
import { clientNetwork } from '../http/client-address.ts';

/** Where a client that waits for approval may be seen: by itself, at its registration. */
const MANAGEMENT = new Set(['registration', 'client', 'client_update', 'client_delete']);

interface Parts {
  readonly clients: Clients;
  /** Whether a client that registers itself waits for an administrator. */
  readonly isQuarantined: boolean;
  /** Told of a secret that was stored as a hash and has to be in the answer to this request. */
  readonly onNewSecret: (ctx: object, secret: string) => void;
}

export function createClientAdapter({ clients, isQuarantined, onNewSecret }: Parts): Adapter {
  const unused = async (): Promise<never> => {
    throw new Error('clients are not artifacts');
  };
  return {
    async find(clientId) {
      const client = await clients.find(clientId);
      if (!client) return undefined;
      const { metadata, secretHashes } = client;
      if (metadata.latchkey_quarantined === true && !MANAGEMENT.has(Provider.ctx?.oidc.route ?? '')) {
        if (!Provider.ctx) return undefined;
        throw new errors.UnauthorizedClient('the client was not approved yet');
      }
      // The engine wants a value for clients with a secret; it never compares it: see compareClientSecret in adjustments.ts.
      const secret = needsSecret(metadata) ? { client_secret: secretHashes.join(' ') || 'none' } : {};
      return { ...metadata, ...secret, client_id: clientId } as AdapterPayload;
    },
    async upsert(clientId, payload) {
      const ctx = Provider.ctx;
      if (!ctx) throw new Error('clients register by requests only');
      const { client_secret: given, client_secret_expires_at: _, ...metadata } = payload as Record<string, unknown>;
      // In an update the engine hands back what it was given in the place of the secret.
      const secret = typeof given === 'string' && given !== ctx.oidc.client?.clientSecret ? given : undefined;
      try {
        await clients.saveRegistered(clientId, metadata, { secret, isQuarantined }, causeOf(clientId));
      } catch (cause) {
        if (cause instanceof InvalidRequest) throw new errors.InvalidClientMetadata(cause.message);
        throw cause;
      }
      if (secret !== undefined) onNewSecret(ctx, secret);
    },
    async destroy(clientId) {
      await clients.delete(clientId, causeOf(clientId));
    },
    consume: unused,
    findByUid: unused,
    findByUserCode: unused,
    revokeByGrantId: unused,
  };
}

/** Done before the engine gets a client; nothing is waited for where there is nothing to do. */
export type ClientCheck = (client: EngineClient) => Promise<void> | undefined;

/**
 * The engine writes the metadata out and hashes it at every use to find what it built from it. As long as `clients` answers with the same row,
 * which is a second at most, it is the same client.
 */
export function rememberClients(provider: Provider, clients: Clients, checks: readonly ClientCheck[]): void {
  const { Client } = provider;
  const find = Client.find.bind(Client);
  const built = new WeakMap<RegisteredClient, EngineClient>();
  Client.find = async (clientId: string) => {
    const row = typeof clientId === 'string' ? await clients.find(clientId) : null;
    const client = (row && built.get(row)) ?? (await find(clientId));
    if (!client) return client;
    // Whether a client in quarantine may be seen is decided anew for each request.
    if (row && row.metadata.latchkey_quarantined !== true) built.set(row, client);
    for (const check of checks) {
      const pending = check(client);
      if (pending) await pending;
    }
    return client;
  };
}

function causeOf(clientId: string) {
  const ctx = Provider.ctx;
  return {
    actor: { kind: 'client', id: clientId } as const,
    ...(ctx ? { origin: { network: clientNetwork(ctx), userAgent: ctx.get('user-agent') || undefined } } : {}),
  };
}
