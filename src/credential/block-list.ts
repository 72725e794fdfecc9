// Passwords that are refused whatever their length: the common ones that a package ships, and what anybody would try first for this person:
// the own names and the product's (requirements P4).
import { dictionaries } from './dictionaries.ts';

/** Shorter parts of names stand in too many honest passwords. */
const LEAST_PART = 4;

let common: ReadonlySet<string> | undefined;

/** What the person is known by; a new password must not contain it. */
export interface PasswordOwner {
  readonly email?: string | null | undefined;
  readonly username?: string | null | undefined;
}

/** Whether it is a common password, or one of them over and over, in whatever case. @param password in NFC */
export function isOnBlockList(password: string): boolean {
  common ??= new Set(dictionaries().dictionary['passwords-common'] as readonly string[]);
  const lower = password.toLowerCase();
  return common.has(lower) || common.has(repeatedPart(lower));
}

/** Whether it contains the person's username, address or a part of either, or a name of the product. @param password in NFC */
export function isPersonal(password: string, words: readonly string[]): boolean {
  const lower = password.toLowerCase();
  return words.some((word) => lower.includes(word));
}

/** Everything that is too near, in lower case. */
export function personalWords(owner: PasswordOwner, productName: string | undefined): readonly string[] {
  const [local = '', domain = ''] = (owner.email ?? '').toLowerCase().split('@');
  const names = [owner.username ?? '', productName ?? ''].map((name) => name.toLowerCase());
  const whole = [local, domain, ...names, ...names.map((name) => name.replace(/\s+/g, ''))];
  // The domain's labels are not parts: nobody owns "mail" or "example".
  const parts = [local, ...names].flatMap((name) => name.split(/[\s._+-]+/));
  const words = [...whole, ...parts].map((word) => word.normalize('NFC'));
  return [...new Set(words)].filter((word) => [...word].length >= LEAST_PART);
}

/** The shortest text whose repetition this is; the text itself when it is none. */
function repeatedPart(text: string): string {
  for (let length = LEAST_PART; length <= text.length / 2; length += 1) {
    const part = text.slice(0, length);
    if (text.length % length === 0 && part.repeat(text.length / length) === text) return part;
  }
  return text;
}
