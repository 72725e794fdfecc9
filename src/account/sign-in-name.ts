// The strict forms of e-mail addresses and usernames. An account is never found through a look-alike: what is not in the strict form after
// trimming and NFC is refused, not folded (requirements A5 to A8).
import { domainToASCII } from 'node:url';

const LOCAL_PART = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const DOMAIN_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const USERNAME = /^[A-Za-z0-9_]{3,50}$/;

/**
 * One address in its strict form: ASCII local part as typed, domain in lower case and in IDNA form. Null when it is none. Compare in lower
 * case. Dots and plus signs are left alone: they belong to the address.
 */
export function parseEmail(input: string): string | null {
  if (input.length > 320) return null;
  const text = input.trim().normalize('NFC');
  const at = text.lastIndexOf('@');
  if (at < 1 || text.length > 254) return null;
  const local = text.slice(0, at);
  if (local.length > 64 || !LOCAL_PART.test(local)) return null;
  const domain = domainToASCII(text.slice(at + 1));
  const labels = domain.split('.');
  if (domain.length > 253 || labels.length < 2 || !labels.every((label) => DOMAIN_LABEL.test(label))) return null;
  if (/^\d+$/.test(labels.at(-1) ?? '')) return null;
  const email = `${local}@${domain}`;
  return email.length <= 254 ? email : null;
}

/** 3 to 50 of `A–Z a–z 0–9 _` after trimming; null when it is none. */
export function parseUsername(input: string): string | null {
  if (input.length > 200) return null;
  const text = input.trim();
  return USERNAME.test(text) ? text : null;
}

/** What somebody typed into the sign-in field. A username has no `@`, so the two can never be mistaken for each other. */
export function parseSignInName(input: string): { readonly email: string } | { readonly username: string } | null {
  if (input.includes('@')) {
    const email = parseEmail(input);
    return email === null ? null : { email };
  }
  const username = parseUsername(input);
  return username === null ? null : { username };
}
