// Phone numbers as people type them and as Telegram tells them, in the one form that is stored and compared: E.164, with the plus. Without a
// country code nobody knows which number is meant, so there is none without one.
import { parsePhoneNumberFromString } from 'libphonenumber-js/min';

/** Longer input is no number and is not looked at. */
const MOST_CHARACTERS = 50;
const E164 = /^\+[1-9]\d{6,14}$/;
const DIGITS_SHOWN = 4;

/** E.164, or null when it is no possible number. `00` is taken for the plus. */
export function parsePhone(typed: string): string | null {
  const text = typed.trim().replace(/^00/, '+');
  if (text.length > MOST_CHARACTERS) return null;
  const parsed = parsePhoneNumberFromString(text, { extract: false });
  return parsed?.isPossible() && parsed.ext === undefined && E164.test(parsed.number) ? parsed.number : null;
}

/** `+7 ••• ••• 12 34`, more or less: the country and the end. @param number E.164 */
export function maskPhone(number: string): string {
  const country = parsePhoneNumberFromString(number)?.countryCallingCode ?? number.slice(1, 2);
  const end = number.slice(-DIGITS_SHOWN);
  return `+${country} ••• ${end.slice(0, 2)} ${end.slice(2)}`;
}

/** With spaces where people of that country put them. @param number E.164 */
export function formatPhone(number: string): string {
  return parsePhoneNumberFromString(number)?.formatInternational() ?? number;
}
