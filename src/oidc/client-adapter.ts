// The engine reads clients through here and never writes them: registration goes through src/client.
import type { Adapter, AdapterPayload } from 'oidc-provider';
import { type Clients, needsSecret } from '../client/clients.ts';

export function createClientAdapter(clients: Clients): Adapter {
  const readOnly = async (): Promise<never> => {
    throw new Error('clients are registered through the client room');
  };
  return {
    async find(clientId) {
      const client = await clients.find(clientId);
      if (!client) return undefined;
      const { metadata, secretHashes } = client;
      // The engine wants a value for clients with a secret; it never compares it: see compareClientSecret in provider.ts.
      const secret = needsSecret(metadata) ? { client_secret: secretHashes.join(' ') || 'none' } : {};
      return { ...metadata, ...secret, client_id: clientId } as AdapterPayload;
    },
    upsert: readOnly,
    destroy: readOnly,
    consume: readOnly,
    findByUid: readOnly,
    findByUserCode: readOnly,
    revokeByGrantId: readOnly,
  };
}
