// Keeps the list of sessions true to the engine's: every session that is saved after a sign-in gets its row, every one that is destroyed is
// marked as ended. Uses are noted in memory, so that an app's sign-in with a session that is there costs no round trip more.
import { type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { clientAddress } from '../http/client-address.ts';
import type { BrowserSessions } from './browser-sessions.ts';

/** Routes on which the engine takes over what a sign-in came to. */
const RESUMING: ReadonlySet<string> = new Set(['resume', 'device_resume']);

interface EngineSession {
  readonly uid: string;
  readonly accountId?: string;
  readonly loginTs?: number;
  readonly acr?: string;
  readonly exp?: number;
}

interface SessionPrototype {
  save(this: EngineSession, ttl: number): Promise<string>;
  destroy(this: EngineSession): Promise<void>;
}

export function followSessions(provider: Provider, sessions: BrowserSessions): void {
  const prototype = provider.Session.prototype as unknown as SessionPrototype;
  const { save, destroy } = prototype;
  prototype.save = async function saveWithRow(ttl) {
    const saved = await save.call(this, ttl);
    const ctx = Provider.ctx;
    if (ctx && this.accountId !== undefined) await note(ctx, sessions, this, this.accountId, ttl);
    return saved;
  };
  prototype.destroy = async function destroyWithRow() {
    await destroy.call(this);
    if (this.accountId !== undefined) await sessions.noteEnd(this.uid);
  };
}

async function note(
  ctx: KoaContextWithOIDC,
  sessions: BrowserSessions,
  session: EngineSession,
  subject: string,
  ttl: number,
): Promise<void> {
  const device = { address: clientAddress(ctx), userAgent: ctx.get('user-agent') };
  const now = Math.floor(Date.now() / 1000);
  const expiresAt = session.exp ?? now + ttl;
  const login = RESUMING.has(ctx.oidc.route) ? ctx.oidc.entities.Interaction?.result?.login : undefined;
  if (login?.accountId !== subject) {
    sessions.noteUse(session.uid, device, expiresAt);
    return;
  }
  const { methods, way } = login as { readonly methods?: readonly string[]; readonly way?: string };
  await sessions.record({
    ...{ uid: session.uid, subject, ...device, expiresAt },
    name: nativeDeviceName(ctx),
    methods: methods ?? [],
    way: way ?? null,
    acr: session.acr ?? null,
    signedInAt: session.loginTs ?? now,
  });
}

/** From an app on the device only: what a web site calls somebody's device would be its word, not theirs (requirements S7). */
function nativeDeviceName(ctx: KoaContextWithOIDC): string | null {
  const name = ctx.oidc.params?.['device_name'];
  return typeof name === 'string' && ctx.oidc.client?.applicationType === 'native' ? name : null;
}
