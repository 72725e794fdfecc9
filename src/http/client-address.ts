// Where a request comes from, parsed in this one place. Forwarded headers count for the configured number of proxy hops only (Koa's
// `proxy` and `maxIpsCount`); what is not an address falls back to the socket's.
import ipaddr from 'ipaddr.js';
import type { Context } from 'koa';

interface Known {
  readonly address: string;
  readonly network: string;
}

/** Of texts that came lately: taking one apart costs more than what is usually done with it. */
const known = new Map<string, Known | null>();
const MOST_KNOWN = 1000;

/** The address as text, or `unknown` for a connection that is already gone. */
export function clientAddress(ctx: Context): string {
  return knownOf(ctx)?.address ?? 'unknown';
}

/** What limits are counted by: an IPv4 address, or the /64 of an IPv6 address, which is one household or one machine (requirements L10). */
export function clientNetwork(ctx: Context): string {
  return knownOf(ctx)?.network ?? 'unknown';
}

export function networkOf(address: string): string {
  const parsed = parse(address);
  if (!parsed) return 'unknown';
  if (parsed.kind() === 'ipv4') return parsed.toString();
  const bytes = parsed.toByteArray().map((byte, index) => (index < 8 ? byte : 0));
  return `${ipaddr.fromByteArray(bytes).toString()}/64`;
}

/** The /48 around the /64 of an IPv6 address: what one customer may be given whole, with 65,536 networks inside. Null for anything else. */
export function siteOf(network: string): string | null {
  if (!network.endsWith('/64')) return null;
  const parsed = parse(network.slice(0, -3));
  if (parsed?.kind() !== 'ipv6') return null;
  const bytes = parsed.toByteArray().map((byte, index) => (index < 6 ? byte : 0));
  return `${ipaddr.fromByteArray(bytes).toString()}/48`;
}

/** An address of a network that is one of the whole Internet; null for private and special ones, and for what is none. */
export function publicAddressOf(network: string): string | null {
  const parsed = parse(network.replace(/\/64$/, ''));
  return parsed?.range() === 'unicast' ? parsed.toString() : null;
}

function knownOf(ctx: Context): Known | null {
  return lookUp(ctx.ip) ?? lookUp(ctx.req.socket.remoteAddress ?? '');
}

function lookUp(text: string): Known | null {
  const found = known.get(text);
  if (found !== undefined) return found;
  const address = parse(text)?.toString();
  const fresh = address === undefined ? null : { address, network: networkOf(address) };
  if (known.size >= MOST_KNOWN) known.clear();
  // Forwarded headers may be of any length.
  if (text.length < 100) known.set(text, fresh);
  return fresh;
}

function parse(text: string): ipaddr.IPv4 | ipaddr.IPv6 | null {
  // Zone ids (fe80::1%eth0) are local names, and the parser also takes octal and short IPv4 forms: only the plain form counts.
  const plain = text.replace(/%.*$/, '');
  if (plain.length > 45 || !(ipaddr.IPv4.isValidFourPartDecimal(plain) || ipaddr.IPv6.isValid(plain))) return null;
  return ipaddr.process(plain);
}
