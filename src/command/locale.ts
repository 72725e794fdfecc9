// A language tag on the command line (BCP 47).
import { InvalidArgumentError } from 'commander';

export function parseLocale(text: string): string {
  try {
    const [locale] = text.length <= 35 ? Intl.getCanonicalLocales(text) : [];
    if (locale !== undefined) return locale;
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('A language tag such as en or ru-RU (BCP 47).');
}
