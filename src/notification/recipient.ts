// The strict form of an address that mail may go to, and the sender as headers want it. What is not exactly one plain address is refused here
// rather than handed to an address parser: lists, comments, quoted parts and line breaks are how mail ends up at somebody else.
import { InvalidRequest } from '../errors.ts';

const LOCAL_PART = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const MOST_CHARACTERS = 254;
const MOST_LOCAL_CHARACTERS = 64;

/** One address: ASCII local part, domain in lower case and IDNA form, nothing around it. */
export function isRecipient(address: string): boolean {
  if (address.length > MOST_CHARACTERS) return false;
  const at = address.indexOf('@');
  const local = address.slice(0, Math.max(at, 0));
  return local.length <= MOST_LOCAL_CHARACTERS && LOCAL_PART.test(local) && DOMAIN.test(address.slice(at + 1));
}

/** @throws InvalidRequest `invalid-recipient` */
export function checkRecipient(address: string): void {
  if (isRecipient(address)) return;
  throw new InvalidRequest('Mail cannot go to this address.', { code: 'invalid-recipient', field: 'email' });
}

export interface Sender {
  /** Empty when there is only an address. */
  readonly name: string;
  readonly address: string;
}

/** @param text as LATCHKEY_MAIL_FROM is written: `address`, `Name <address>` or `"Name" <address>` */
export function parseSender(text: string): Sender {
  const named = /^(?:"([^"]*)"|([^"<>]*)) <([^<>\s]+)>$/.exec(text);
  const name = (named?.[1] ?? named?.[2] ?? '').trim();
  return { name, address: named?.[3] ?? text };
}

/** `m•••@e•••.com`: enough to recognise one's own address, too little for a mail program to make a link of. */
export function maskAddress(address: string): string {
  const at = address.lastIndexOf('@');
  const [local, domain] = [address.slice(0, at), address.slice(at + 1)];
  const dot = domain.lastIndexOf('.');
  return `${local.slice(0, 1)}•••@${domain.slice(0, 1)}•••${domain.slice(dot)}`;
}
