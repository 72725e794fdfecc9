// Browser and system in words, for mails and lists of devices: "Safari" on "iOS". What a browser says of itself proves nothing.
import Bowser from 'bowser';
import type { Context } from 'koa';

interface Asker {
  readonly browser: string | null;
  readonly system: string | null;
  readonly place: null;
}

export function asker(ctx: Context): Asker {
  const userAgent = ctx.get('user-agent').slice(0, 500);
  // The parser throws on an empty text.
  if (userAgent === '') return { browser: null, system: null, place: null };
  const parsed = Bowser.getParser(userAgent);
  return { browser: parsed.getBrowserName() || null, system: parsed.getOSName() || null, place: null };
}
