// A rotation of the signing keys beside running clients, as it happens in earnest: the next keys are published for longer than any client keeps
// its copy of them, then they sign.
import assert from 'node:assert/strict';
import { decodeProtectedHeader } from 'jose';
import type { Latchkey } from './server.ts';

const AHEAD = 3600;
const KEEP = 3600;

type Server = Pick<Latchkey, 'app' | 'issuer'>;

/** Publishes the next keys, which do not sign yet. @returns lets the hour pass after which they do */
export async function publishNextKeys(server: Server): Promise<() => Promise<void>> {
  const { app } = server;
  const before = await publishedKids(server);
  const signing = (await app.keys.list()).filter((key) => key.state === 'signing');
  await app.keys.rotate(
    { ahead: AHEAD, keep: KEEP, keepCookies: app.keyTimes.keepCookies },
    { actor: { kind: 'cli' } },
  );
  await app.followKeys();
  const after = await publishedKids(server);
  assert.ok(before.every((kid) => after.includes(kid)));
  assert.equal(after.length, before.length + signing.length);
  return async () => {
    await app.database.em().execute(
      `update signing_key set created_at = created_at - ?::interval, active_at = active_at - ?::interval,
        replaced_at = replaced_at - ?::interval, retire_at = retire_at - ?::interval`,
      Array.from({ length: 4 }, () => `${AHEAD + 1} seconds`),
    );
    await app.database.em().execute(
      `update sealed_secret set created_at = created_at - ?::interval, active_at = active_at - ?::interval`,
      Array.from({ length: 2 }, () => `${AHEAD + 1} seconds`),
    );
    await app.followKeys();
    const states = new Map((await app.keys.list()).map((key) => [key.kid, key.state]));
    for (const { kid } of signing) assert.equal(states.get(kid), 'published');
  };
}

/** Both steps at once: for clients that keep no copy of the keys. */
export async function rotateKeys(server: Server): Promise<void> {
  const letThemSign = await publishNextKeys(server);
  await letThemSign();
}

/** Which key signed a token. */
export function kidOf(token: string | undefined): string {
  const { kid } = decodeProtectedHeader(token ?? '');
  assert.ok(kid !== undefined);
  return kid;
}

async function publishedKids({ issuer }: Server): Promise<readonly string[]> {
  const answer = await fetch(`${issuer}/jwks`);
  return ((await answer.json()) as { readonly keys: readonly { readonly kid: string }[] }).keys.map((key) => key.kid);
}
