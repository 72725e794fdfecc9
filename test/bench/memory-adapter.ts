// The engine's own in-memory adapter without its limit of a thousand entries, which a load would push the session out of: a Map and nothing
// else, so the fastest storage there can be.
import type { Adapter, AdapterPayload } from 'oidc-provider';

export function createMemoryAdapter(): (model: string) => Adapter {
  const values = new Map<string, AdapterPayload>();
  const byUid = new Map<string, string>();
  const byGrant = new Map<string, string[]>();
  return (model) => {
    const key = (id: string): string => `${model}:${id}`;
    return {
      async upsert(id, payload) {
        values.set(key(id), payload);
        if (model === 'Session' && payload.uid !== undefined) byUid.set(payload.uid, id);
        if (payload.grantId !== undefined) {
          const keys = byGrant.get(payload.grantId);
          if (keys) keys.push(key(id));
          else byGrant.set(payload.grantId, [key(id)]);
        }
      },
      async find(id) {
        return values.get(key(id));
      },
      async findByUid(uid) {
        return values.get(key(byUid.get(uid) ?? ''));
      },
      async findByUserCode() {
        return undefined;
      },
      async consume(id) {
        const payload = values.get(key(id));
        if (payload) payload.consumed = Math.floor(Date.now() / 1000);
      },
      async destroy(id) {
        values.delete(key(id));
      },
      async revokeByGrantId(grantId) {
        for (const one of byGrant.get(grantId) ?? []) values.delete(one);
        byGrant.delete(grantId);
      },
    };
  };
}
