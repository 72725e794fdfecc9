// What the bot says. It listens in private chats only, to one person at a limited pace, and owns nothing: it calls the same functions as the
// pages. Texts are plain, so nothing that somebody typed is ever markup.
import { Composer, type Context, InlineKeyboard } from 'grammy';
import type { AccountRow } from '../account/accounts.ts';
import type { Audit } from '../audit/audit.ts';
import type { Locales, Translate } from '../http/locale.ts';
import { type FindPlace, findNoPlace } from '../http/place.ts';
import type { ApprovalQuestion, Approvals, AskedApproval } from './approvals.ts';
import { askForContact, type ContactParts, isPassedOn, takeContact } from './contact.ts';
import type { Pace } from './pace.ts';
import type { TelegramPerson } from './signed-data.ts';

export interface ConversationParts extends ContactParts {
  readonly approvals: Approvals;
  readonly locales: Locales;
  readonly audit: Audit;
  readonly pace: Pace;
  readonly productName: string;
  readonly findPlace?: FindPlace;
  /** Where an account is signed in, the last used first. */
  listSessions(account: AccountRow): Promise<readonly SessionLine[]>;
  /** @returns false when the account has no such session */
  endSession(account: AccountRow, id: string): Promise<boolean>;
  /** Takes the Telegram account away from the account, unless the account would be worse off. @param locale of a notice */
  unlink(account: AccountRow, telegramId: string, locale: string): Promise<UnlinkOutcome>;
  /** An address that signs this person in once, within two minutes, after one press there. */
  createLoginUrl(person: TelegramPerson): Promise<string>;
}

export type UnlinkOutcome = 'removed' | 'not-found' | 'last-way' | 'last-second-factor';

export interface SessionLine {
  readonly id: string;
  readonly browser: string | null;
  readonly system: string | null;
  /** Milliseconds since 1970. */
  readonly lastUsedAt: number;
}

/** More have no place in a message; the account portal shows all. */
const MOST_SESSIONS = 8;

const HANDLE = /^[A-Za-z0-9_-]{43}$/;
/** `a:<approval>:<number>` or `a:<approval>:no`; `l:<language>`. */
const ANSWER = /^a:([0-9a-f-]{36}):(\d{2}|no)$/;
/** `s:<session>`. */
const SESSION = /^s:([0-9a-f-]{36})$/;
/** `u:<when it was asked>` and `u:no`. */
const UNLINK = /^u:(\d{10}|no)$/;
/** Seconds for which the question whether to unlink stands. */
const UNLINK_TTL = 600;
const LANGUAGE = /^l:([A-Za-z-]{2,20})$/;

type Member = 'member' | 'kicked';

/** The handlers, in the order in which an update meets them. */
export function createConversation(parts: ConversationParts): Composer<Context> {
  const all = new Composer<Context>();
  all.on('my_chat_member', async (ctx) => {
    if (ctx.chat.type !== 'private') return;
    if ((ctx.myChatMember.new_chat_member.status as Member) === 'kicked') await parts.chats.leave(String(ctx.chat.id));
  });
  const own = all.filter((ctx) => isPrivate(ctx) && parts.pace.allows(String(ctx.from?.id)));
  // A contact that was passed on is answered, because people try it; it proves nothing.
  own.on('message:contact', async (ctx) => takeContact(ctx, parts, await translator(ctx, parts)));
  const chat = own.filter((ctx) => !isPassedOn(ctx));
  chat.command('start', (ctx) => start(ctx, parts));
  chat.command('help', (ctx) => say(ctx, parts, 'bot.help'));
  chat.command('language', (ctx) => offerLanguages(ctx, parts));
  chat.command('stop', async (ctx) => {
    await say(ctx, parts, 'bot.stopped');
    await parts.chats.leave(String(ctx.chat.id));
  });
  chat.callbackQuery(ANSWER, (ctx) => answer(ctx, parts, ctx.match[1] ?? '', ctx.match[2] ?? 'no'));
  chat.command('login', (ctx) => login(ctx, parts));
  chat.command('phone', async (ctx) => askForContact(ctx, parts, await translator(ctx, parts)));
  chat.command('sessions', (ctx) => showSessions(ctx, parts));
  chat.callbackQuery(SESSION, (ctx) => endSession(ctx, parts, ctx.match[1] ?? ''));
  chat.command('unlink', (ctx) => askToUnlink(ctx, parts));
  chat.callbackQuery(UNLINK, (ctx) => unlink(ctx, parts, ctx.match[1] ?? 'no'));
  chat.callbackQuery(LANGUAGE, (ctx) => chooseLanguage(ctx, parts, ctx.match[1] ?? ''));
  // Every press has to be answered, or the button keeps turning.
  chat.on('callback_query', (ctx) => ctx.answerCallbackQuery());
  chat.on('message', (ctx) => say(ctx, parts, 'bot.help'));
  return all;
}

/** A person in a private chat with the bot: no group, no channel, no bot. */
function isPrivate(ctx: Context): boolean {
  if (ctx.from === undefined || ctx.from.is_bot) return false;
  const message = ctx.message ?? ctx.callbackQuery?.message;
  return message?.chat.type === 'private' && message.chat.id === ctx.from.id;
}

function personOf(ctx: Context): TelegramPerson {
  const { from } = ctx;
  return {
    id: String(from?.id),
    username: from?.username ?? null,
    firstName: from?.first_name ?? null,
    lastName: from?.last_name ?? null,
    picture: null,
    locale: from?.language_code ?? null,
  };
}

async function start(ctx: Context, parts: ConversationParts): Promise<void> {
  const person = personOf(ctx);
  await parts.chats.meet(person.id, person.locale);
  const payload = typeof ctx.match === 'string' ? ctx.match : '';
  if (payload === '') {
    await say(ctx, parts, 'bot.welcome');
    return;
  }
  const asked = HANDLE.test(payload) ? await parts.approvals.claim(payload, person) : null;
  if (asked === null) {
    await say(ctx, parts, 'bot.link_used');
    return;
  }
  const { text, keyboard } = questionText(await languageOf(ctx, parts), parts, asked);
  await ctx.reply(text, { reply_markup: keyboard });
}

type TextParts = Pick<ConversationParts, 'productName' | 'issuer' | 'locales' | 'findPlace'>;

/** What is asked, by whom and from where, and the numbers to choose from. */
export function questionText(
  locale: string,
  parts: TextParts,
  asked: AskedApproval,
): { readonly text: string; readonly keyboard: InlineKeyboard } {
  const { question, id, choices } = asked;
  const t = parts.locales.t(locale);
  const lines = [
    t(`bot.ask.${question.purpose}`, { app: question.client ?? parts.productName, host: new URL(parts.issuer).host }),
    '',
    t('bot.ask.browser', { browser: browserText(t, question) }),
    networkText(locale, parts, question),
    t('bot.ask.time', { time: minuteOf(asked.askedAt) }),
    ...(question.trustDays ? ['', t('bot.ask.trust', { count: question.trustDays })] : []),
    '',
    t('bot.ask.choose'),
  ];
  const keyboard = new InlineKeyboard();
  for (const choice of choices) keyboard.text(choice, `a:${id}:${choice}`);
  keyboard.row().text(t('bot.ask.deny'), `a:${id}:no`);
  return { text: lines.join('\n'), keyboard };
}

/** Who asked for the code, as far as it is told. */
export interface CodeQuestion {
  readonly client: string | null;
  readonly browser: string | null;
  readonly system: string | null;
  readonly network: string;
}

export interface SentCode {
  /** E.164. */
  readonly number: string;
  readonly telegramId: string;
  readonly locale: string | null;
  readonly code: string;
  /** Seconds. */
  readonly ttl: number;
  readonly question: CodeQuestion;
}

/** A code for signing in by phone, and who asked for it. */
export function codeText(locale: string, parts: TextParts, { code, ttl, question }: Omit<SentCode, 'number'>): string {
  const t = parts.locales.t(locale);
  const { host } = new URL(parts.issuer);
  return [
    t('bot.code', { code, app: question.client ?? parts.productName, host, count: Math.max(1, Math.round(ttl / 60)) }),
    '',
    t('bot.ask.browser', { browser: browserText(t, question) }),
    networkText(locale, parts, question),
    t('bot.ask.time', { time: minuteOf(new Date()) }),
    '',
    t('bot.code_warning', { host }),
  ].join('\n');
}

function networkText(locale: string, parts: TextParts, { network }: Pick<ApprovalQuestion, 'network'>): string {
  const { locales, findPlace = findNoPlace } = parts;
  const t = locales.t(locale);
  return t('bot.ask.network', { network, place: findPlace(network, locale) ?? t('bot.unknown') });
}

function browserText(t: Translate, { browser, system }: Pick<ApprovalQuestion, 'browser' | 'system'>): string {
  if (browser === null && system === null) return t('bot.unknown');
  return browser !== null && system !== null
    ? t('bot.ask.browser_on', { browser, system })
    : (browser ?? system ?? t('bot.unknown'));
}

async function answer(ctx: Context, parts: ConversationParts, id: string, choice: string): Promise<void> {
  const telegramId = String(ctx.from?.id);
  const t = await translator(ctx, parts);
  const decided = await parts.approvals.decide(id, telegramId, choice === 'no' ? null : choice);
  if (decided !== null) await record(ctx, parts, decided.isApproved, choice);
  const key = decided === null ? 'bot.link_used' : decided.isApproved ? 'bot.approved' : 'bot.denied';
  await ctx.answerCallbackQuery();
  await ctx.editMessageText(t(key));
}

async function record(ctx: Context, parts: ConversationParts, isApproved: boolean, choice: string): Promise<void> {
  const account = await parts.findAccount(String(ctx.from?.id));
  await parts.audit.record({
    actor: account ? { kind: 'account', id: account.id } : { kind: 'anonymous' },
    action: 'telegram.approve',
    ...(account ? { target: { kind: 'account', id: account.id } } : {}),
    result: isApproved ? 'success' : 'failure',
    ...(isApproved ? {} : { reason: choice === 'no' ? 'denied' : 'wrong-number' }),
  });
}

async function login(ctx: Context, parts: ConversationParts): Promise<void> {
  const t = await translator(ctx, parts);
  const url = await parts.createLoginUrl(personOf(ctx));
  await ctx.reply(t('bot.login', { host: new URL(parts.issuer).host }), {
    reply_markup: new InlineKeyboard().url(t('bot.login_open'), url),
  });
}

async function showSessions(ctx: Context, parts: ConversationParts): Promise<void> {
  const { text, keyboard } = await sessionsText(ctx, parts);
  await ctx.reply(text, { reply_markup: keyboard });
}

/** Of the account of whoever presses, whatever message the button is in. */
async function endSession(ctx: Context, parts: ConversationParts, id: string): Promise<void> {
  const account = await parts.findAccount(String(ctx.from?.id));
  const isEnded = account !== null && (await parts.endSession(account, id));
  await ctx.answerCallbackQuery();
  // Telegram refuses an edit that changes nothing.
  if (!isEnded) return;
  const { text, keyboard } = await sessionsText(ctx, parts);
  await ctx.editMessageText(text, { reply_markup: keyboard });
}

async function sessionsText(ctx: Context, parts: ConversationParts) {
  const t = await translator(ctx, parts);
  const host = new URL(parts.issuer).host;
  const account = await parts.findAccount(String(ctx.from?.id));
  const sessions = account === null ? [] : await parts.listSessions(account);
  const keyboard = new InlineKeyboard();
  if (account === null) return { text: t('bot.no_account', { host }), keyboard };
  if (sessions.length === 0) return { text: t('bot.sessions_none', { host }), keyboard };
  const shown = sessions.slice(0, MOST_SESSIONS);
  const lines = shown.map((one, index) => {
    keyboard.text(t('bot.sessions_end', { number: index + 1 }), `s:${one.id}`).row();
    return t('bot.sessions_line', { number: index + 1, browser: browserText(t, one), time: minuteOf(one.lastUsedAt) });
  });
  return { text: [t('bot.sessions', { host }), '', ...lines].join('\n'), keyboard };
}

async function askToUnlink(ctx: Context, parts: ConversationParts): Promise<void> {
  const t = await translator(ctx, parts);
  const { host } = new URL(parts.issuer);
  const account = await parts.findAccount(String(ctx.from?.id));
  if (account === null) {
    await ctx.reply(t('bot.no_account', { host }));
    return;
  }
  const keyboard = new InlineKeyboard()
    .text(t('bot.unlink_yes'), `u:${Math.trunc(Date.now() / 1000)}`)
    .row()
    .text(t('bot.unlink_no'), 'u:no');
  await ctx.reply(t('bot.unlink', { host }), { reply_markup: keyboard });
}

/** Of the account of whoever presses; an old question is not answered by a press of today. */
async function unlink(ctx: Context, parts: ConversationParts, choice: string): Promise<void> {
  const t = await translator(ctx, parts);
  const telegramId = String(ctx.from?.id);
  await ctx.answerCallbackQuery();
  const isStale = choice !== 'no' && Math.abs(Date.now() / 1000 - Number(choice)) > UNLINK_TTL;
  const account = choice === 'no' || isStale ? null : await parts.findAccount(telegramId);
  const outcome = account === null ? null : await parts.unlink(account, telegramId, localeOf(ctx, parts, account));
  const key = outcome === null ? (choice === 'no' ? 'bot.unlink_kept' : 'bot.link_used') : UNLINK_TEXTS[outcome];
  const url = `${parts.issuer}/account/security`;
  await ctx.editMessageText(t(key, { host: new URL(parts.issuer).host, url }));
}

const UNLINK_TEXTS: Readonly<Record<UnlinkOutcome, string>> = {
  removed: 'bot.unlinked',
  'not-found': 'bot.link_used',
  'last-way': 'bot.unlink_last_way',
  'last-second-factor': 'bot.unlink_second_factor',
};

function localeOf(ctx: Context, parts: ConversationParts, account: AccountRow): string {
  return parts.locales.pick({ uiLocales: account.locale ?? ctx.from?.language_code ?? '' });
}

function minuteOf(time: Date | number): string {
  return `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

async function offerLanguages(ctx: Context, parts: ConversationParts): Promise<void> {
  const keyboard = new InlineKeyboard();
  for (const { tag, name } of parts.locales.available) keyboard.text(name, `l:${tag}`).row();
  await ctx.reply((await translator(ctx, parts))('bot.language'), { reply_markup: keyboard });
}

async function chooseLanguage(ctx: Context, parts: ConversationParts, tag: string): Promise<void> {
  await ctx.answerCallbackQuery();
  if (!parts.locales.available.some((one) => one.tag === tag)) return;
  await parts.chats.meet(String(ctx.from?.id), tag);
  await parts.chats.setLocale(String(ctx.from?.id), tag);
  await ctx.editMessageText(parts.locales.t(tag)('bot.language_set'));
}

async function say(ctx: Context, parts: ConversationParts, key: string): Promise<void> {
  const host = new URL(parts.issuer).host;
  await ctx.reply((await translator(ctx, parts))(key, { product: parts.productName, host }));
}

async function translator(ctx: Context, parts: ConversationParts): Promise<Translate> {
  return parts.locales.t(await languageOf(ctx, parts));
}

/** The account's language, else what was chosen in the bot, else what Telegram's app speaks. */
async function languageOf(ctx: Context, parts: ConversationParts): Promise<string> {
  const telegramId = String(ctx.from?.id);
  const [account, chat] = [await parts.findAccount(telegramId), await parts.chats.find(telegramId)];
  const wishes = [account?.locale, chat?.locale, ctx.from?.language_code].filter((one) => typeof one === 'string');
  return parts.locales.pick({ uiLocales: wishes.join(' ') });
}
