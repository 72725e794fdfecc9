// A phone number, proven by the button that shares a contact: only one's own counts, as Telegram itself says whose it is, and only from the
// private chat (the conversation lets nothing else through). What is typed, passed on or somebody else's proves nothing.
import { type Context, Keyboard } from 'grammy';
import type { AccountRow } from '../account/accounts.ts';
import { formatPhone, parsePhone } from '../account/phone-number.ts';
import type { ProofOutcome } from '../account/proven-phones.ts';
import type { Translate } from '../http/locale.ts';
import type { Chats } from './chats.ts';

export interface ContactParts {
  readonly issuer: string;
  readonly chats: Chats;
  /** Null where phone numbers are turned off. */
  readonly phones: {
    prove(number: string, accountId: string, telegramId: string): Promise<ProofOutcome>;
  } | null;
  findAccount(telegramId: string): Promise<AccountRow | null>;
}

/** The button. Only people with an account are asked: a number of nobody is of no use here. */
export async function askForContact(ctx: Context, parts: ContactParts, t: Translate): Promise<void> {
  const { host } = new URL(parts.issuer);
  if (parts.phones === null || (await parts.findAccount(String(ctx.from?.id))) === null) {
    await ctx.reply(t(parts.phones === null ? 'bot.phone_off' : 'bot.no_account', { host }));
    return;
  }
  const keyboard = new Keyboard().requestContact(t('bot.phone_share')).resized().oneTime();
  await ctx.reply(t('bot.phone', { host }), { reply_markup: keyboard });
}

export async function takeContact(ctx: Context, parts: ContactParts, t: Translate): Promise<void> {
  const { host } = new URL(parts.issuer);
  const answer = async (key: string, values: Readonly<Record<string, string>> = {}): Promise<void> => {
    await ctx.reply(t(key, { host, ...values }), { reply_markup: { remove_keyboard: true } });
  };
  const telegramId = String(ctx.from?.id);
  const contact = ctx.message?.contact;
  if (parts.phones === null) return answer('bot.phone_off');
  if (contact?.user_id === undefined || String(contact.user_id) !== telegramId || isPassedOn(ctx)) {
    return answer('bot.phone_not_yours');
  }
  // Telegram tells the digits, with a plus or without.
  const number = parsePhone(`+${contact.phone_number.replace(/^\+/, '')}`);
  if (number === null) return answer('bot.phone_unknown');
  const account = await parts.findAccount(telegramId);
  if (account?.status !== 'active') return answer('bot.no_account');
  await parts.chats.meet(telegramId, ctx.from?.language_code ?? null);
  const outcome = await parts.phones.prove(number, account.id, telegramId);
  if (outcome.kind === 'not-linked') return answer('bot.no_account');
  return answer('bot.phone_proven', { phone: formatPhone(number) });
}

/** Forwarded, or sent through another bot. */
export function isPassedOn(ctx: Context): boolean {
  return ctx.message?.forward_origin !== undefined || ctx.message?.via_bot !== undefined;
}
