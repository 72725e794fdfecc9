// What somebody typed as the name to sign in with: an address, a username or, where numbers can be proven here, a phone number (requirements P0).
// What is looked up and counted depends on how it reads and never on whose it is.
import type { AccountRow, Accounts } from '../account/accounts.ts';
import { parsePhone } from '../account/phone-number.ts';
import type { PhoneParts } from './interaction.ts';

interface Parts {
  readonly accounts: Accounts;
  readonly phones: PhoneParts | null;
}

/** Nothing but what numbers are written with. */
const LOOKS_LIKE_NUMBER = /^[+\d\s().-]+$/;

/** E.164; null where it reads as none, or numbers are turned off. */
export function typedNumber({ phones }: Pick<Parts, 'phones'>, typed: string): string | null {
  return phones === null ? null : parsePhone(typed);
}

/** Whether it can only be meant as a number and is none: without a country code, or too short. */
export function isNumberFaulty(parts: Pick<Parts, 'phones'>, typed: string): boolean {
  const text = typed.trim();
  const isUsername = /^\d+$/.test(text);
  return parts.phones !== null && LOOKS_LIKE_NUMBER.test(text) && !isUsername && typedNumber(parts, text) === null;
}

/** A number before a username that reads the same (`00` and digits): a number has to be proven, and a username is for the taking. */
export async function findTyped(parts: Parts, typed: string): Promise<AccountRow | null> {
  const number = typedNumber(parts, typed);
  if (number === null) return parts.accounts.findBySignInName(typed);
  const owner = await parts.accounts.findByPhone(number);
  const named = await parts.accounts.findBySignInName(typed);
  return owner ?? named;
}

/** What stands for it in counters, however it was written. */
export function countedAs({ phones }: Pick<Parts, 'phones'>, typed: string): string {
  const number = typedNumber({ phones }, typed);
  return phones === null || number === null ? typed.trim().toLowerCase() : phones.codes.subjectOf(number);
}
