// Who asks, for mails and lists of devices: browser and system in words, "Safari" on "iOS", and the network, from which whoever tells it makes the
// place in the language of its reader. What a browser says of itself proves nothing.
import Bowser from 'bowser';
import type { Context } from 'koa';
import { clientNetwork } from './client-address.ts';

const MOST_USER_AGENT = 500;

interface Asker {
  readonly browser: string | null;
  readonly system: string | null;
  readonly network: string;
}

export function asker(ctx: Context): Asker {
  return { ...deviceOf(ctx.get('user-agent')), network: clientNetwork(ctx) };
}

/** A telephone or tablet is named rather than its system: "Safari" on "iPhone". */
export function deviceOf(userAgent: string): Pick<Asker, 'browser' | 'system'> {
  const text = userAgent.slice(0, MOST_USER_AGENT);
  // The parser throws on an empty text.
  if (text === '') return { browser: null, system: null };
  const parsed = Bowser.getParser(text);
  const { vendor, model } = parsed.getPlatform();
  const system = (vendor === 'Apple' ? model : undefined) || parsed.getOSName();
  return { browser: parsed.getBrowserName() || null, system: system || null };
}
