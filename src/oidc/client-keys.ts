// The keys that clients publish under their `jwks_uri`. The engine reads a document again only when a signature does not fit, and believes
// the document about how long it holds; here a key that a client took back stops working, and a new one works, within a minute.
import type { Client as EngineClient } from 'oidc-provider';
import { type Log, serializeError } from '../log.ts';
import type { ClientCheck } from './client-adapter.ts';

/** Seconds. */
const MOST_AGE = 60;
/** Seconds until a document that could not be read is asked for again; until then its last keys hold. */
const RETRY_AFTER = 10;

/** Of the engine's key store, what its types leave out; times in seconds since 1970. */
interface PublishedKeys {
  freshUntil?: number;
  refresh(): Promise<void>;
}

/** Makes every look-up of a client look at its published keys as well, once they are due. */
export function followClientKeys(log: Log): ClientCheck {
  return (client) => (client.jwksUri === undefined ? undefined : follow(client, log));
}

async function follow(client: EngineClient, log: Log): Promise<void> {
  const keys = (client as unknown as { asymmetricKeyStore: PublishedKeys }).asymmetricKeyStore;
  const now = Math.floor(Date.now() / 1000);
  // Nobody has needed them so far.
  if (keys.freshUntil === undefined) return;
  if (keys.freshUntil > now) {
    keys.freshUntil = Math.min(keys.freshUntil, now + MOST_AGE);
    return;
  }
  try {
    await keys.refresh();
  } catch (error) {
    keys.freshUntil = now + RETRY_AFTER;
    log.warn({ clientId: client.clientId, err: serializeError(error) }, 'the keys of a client could not be read');
  }
}
