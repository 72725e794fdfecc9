// Who somebody is by Telegram, in the words for linked identities: the numeric id is the only key, whichever door they come through.
import { TELEGRAM_ISSUER } from '../account/linked-identities.ts';
import type { TelegramPerson } from './signed-data.ts';

/** Telegram knows no addresses. */
export function telegramIdentity(person: TelegramPerson) {
  const { firstName, lastName } = person;
  return {
    ...{ issuer: TELEGRAM_ISSUER, subject: person.id, email: null, emailVerified: false, username: person.username },
    name: [firstName, lastName].filter(Boolean).join(' ') || null,
    ...{ givenName: firstName || null, familyName: lastName || null },
    ...{ picture: null, locale: person.locale, tokens: null },
  };
}
