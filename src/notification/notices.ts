// Tells the owner of an account what happened to it: by mail, and in the chats of the Telegram accounts that are linked to it (requirements M2). Which
// of them is the owner's choice (A12), as long as one is left that reaches them: a choice that reaches nobody any more counts for nothing. Each
// message is a row in the transaction of its cause; nobody waits for it.
import type { EntityManager } from '../storage/database.ts';
import type { OneTime } from '../storage/one-time.ts';
import type { ChatOutbox } from './chat-outbox.ts';
import type { NoticeModel } from './message.ts';
import type { Notifications } from './notifications.ts';

/** Leads to the page with the button that ends all sessions and starts recovery. */
export const NOT_ME = 'not-me';
/** Milliseconds: later a notice is news to nobody. */
const NOTICE_LIFE = 24 * 3600 * 1000;
const LAST_LOCALE = 'en';
const NOBODY = { browser: null, system: null, network: null } as const;

/** What people choose channels for. */
export const NOTICE_KINDS = ['sign-in', 'change'] as const;
export type NoticeKind = (typeof NOTICE_KINDS)[number];
export const NOTICE_CHANNELS = ['mail', 'telegram'] as const;
export type NoticeChannel = (typeof NOTICE_CHANNELS)[number];

/** By kind and channel whether notices go there. */
export type NoticeChoice = Readonly<Record<NoticeKind, Readonly<Record<NoticeChannel, boolean>>>>;

export interface Addressee {
  readonly id: string;
  readonly email: string | null;
  readonly emailVerified: boolean;
  readonly locale: string | null;
  readonly zoneinfo: string | null;
}

/** A chat that may be written to. */
export interface NoticeChat {
  readonly telegramId: string;
  /** What its person speaks; null where it is not known. */
  readonly locale: string | null;
}

export interface Told {
  readonly owner: Addressee;
  /** Without `asked` it is not told from where: administrators, and what happened by itself. */
  readonly about: Omit<NoticeModel, 'path' | 'asked'> & Partial<Pick<NoticeModel, 'asked'>>;
  /** Of the request, for an owner who has none. */
  readonly locale?: string;
  /** Where the link leads instead of to "it was not me". */
  readonly path?: string;
  /** When it is news to nobody; without it, after a day. */
  readonly expiresAt?: Date;
  /** Another mail says it already. */
  readonly isMailed?: boolean;
  /** Whatever the owner chose. */
  readonly isToAll?: boolean;
  /** The chats as they were before the change took one away; without it those of now. */
  readonly chats?: readonly NoticeChat[];
}

interface NoticesParts {
  readonly mails: Pick<Notifications, 'send' | 'findRefusal'>;
  readonly chats: ChatOutbox;
  readonly oneTime: OneTime;
  /** Seconds for which "it was not me" works. */
  readonly notMeTtl: number;
  /** The chats of an account that may be written to now. */
  findChats(em: EntityManager, accountId: string): Promise<readonly NoticeChat[]>;
}

interface Silenced {
  readonly kind: NoticeKind;
  readonly channel: NoticeChannel;
}

export class Notices {
  readonly #parts: NoticesParts;

  constructor(parts: NoticesParts) {
    this.#parts = parts;
  }

  /** Queues what the owner is to be told, in the transaction of its cause; nothing where nobody can be told. */
  async tell(em: EntityManager, told: Told): Promise<void> {
    const { owner, about, expiresAt = new Date(Date.now() + NOTICE_LIFE) } = told;
    const kind = kindOf(about.what);
    // An address that was never proven may be somebody else's: it is not told where an account is used.
    const email = kind === 'sign-in' && !owner.emailVerified ? null : owner.email;
    const found = told.chats ?? (await this.findChats(em, owner.id));
    const wanted = await this.#choose(em, told, kind, email !== null, found);
    const chats = wanted.telegram ? found : [];
    const isMail = wanted.mail && email !== null && !told.isMailed;
    if (!isMail && chats.length === 0) return;
    const locale = owner.locale ?? told.locale ?? LAST_LOCALE;
    const model: NoticeModel = { asked: NOBODY, ...about, path: told.path ?? (await this.#notMePath(em, owner.id)) };
    const shared = { accountId: owner.id, zone: owner.zoneinfo, expiresAt, model };
    if (isMail) await this.#parts.mails.send(em, { kind: 'notice', to: email, locale, ...shared });
    let fallback = isMail || told.isMailed || email === null ? null : { email, locale };
    for (const chat of chats) {
      // The browser that asks may be a stranger's: its language is the last to go by.
      const words = { locale: owner.locale ?? chat.locale ?? locale, fallback };
      await this.#parts.chats.enqueue(em, { telegramId: chat.telegramId, ...shared, ...words });
      fallback = null;
    }
  }

  /** Where an account's owner can be written to now, for a change that takes a chat away. */
  findChats(em: EntityManager, accountId: string): Promise<readonly NoticeChat[]> {
    return this.#parts.findChats(em, accountId);
  }

  /** What the owner of an account chose, and which channels reach them now. */
  async findChoice(
    em: EntityManager,
    owner: Addressee,
  ): Promise<{ readonly reached: readonly NoticeChannel[]; readonly choice: NoticeChoice }> {
    const silenced = await this.#listSilenced(em, owner.id);
    const isOn = (kind: NoticeKind, channel: NoticeChannel): boolean =>
      !silenced.some((one) => one.kind === kind && one.channel === channel);
    const channels = (kind: NoticeKind) => ({ mail: isOn(kind, 'mail'), telegram: isOn(kind, 'telegram') });
    return {
      reached: await this.#listReached(em, owner),
      choice: { 'sign-in': channels('sign-in'), change: channels('change') },
    };
  }

  /**
   * Keeps what the owner chose for the channels that reach them; what was chosen for others stays. The caller has locked the account, so that of
   * two choices at once the later one is looked at with the earlier one made.
   * @returns `none-left` where a kind would reach nobody, and nothing was changed
   */
  async choose(
    em: EntityManager,
    owner: Addressee,
    chosen: Partial<NoticeChoice>,
  ): Promise<'changed' | 'same' | 'none-left'> {
    const { reached, choice } = await this.findChoice(em, owner);
    const changes: { readonly kind: NoticeKind; readonly channel: NoticeChannel; readonly isOn: boolean }[] = [];
    for (const kind of NOTICE_KINDS) {
      const wished = chosen[kind];
      if (wished === undefined) continue;
      if (reached.length > 0 && !reached.some((channel) => wished[channel])) return 'none-left';
      const changed = reached.filter((channel) => wished[channel] !== choice[kind][channel]);
      changes.push(...changed.map((channel) => ({ kind, channel, isOn: wished[channel] })));
    }
    for (const { kind, channel, isOn } of changes) await em.execute(isOn ? SPEAK : SILENCE, [owner.id, kind, channel]);
    return changes.length === 0 ? 'same' : 'changed';
  }

  /** By the owner's choice, or everywhere when that choice reaches nobody. */
  async #choose(
    em: EntityManager,
    told: Told,
    kind: NoticeKind,
    hasEmail: boolean,
    chats: readonly NoticeChat[],
  ): Promise<Readonly<Record<NoticeChannel, boolean>>> {
    const all = { mail: true, telegram: true };
    if (told.isToAll || chats.length === 0) return all;
    const silenced = (await this.#listSilenced(em, told.owner.id)).filter((one) => one.kind === kind);
    const isOn = (channel: NoticeChannel): boolean => !silenced.some((one) => one.channel === channel);
    if (isOn('telegram')) return { mail: isOn('mail'), telegram: true };
    const isMailSure = told.isMailed || (hasEmail && isOn('mail') && (await this.#isMailReached(em, told.owner)));
    return isMailSure ? { mail: true, telegram: false } : all;
  }

  async #listReached(em: EntityManager, owner: Addressee): Promise<readonly NoticeChannel[]> {
    const chats = await this.findChats(em, owner.id);
    const reaches = { mail: await this.#isMailReached(em, owner), telegram: chats.length > 0 };
    return NOTICE_CHANNELS.filter((channel) => reaches[channel]);
  }

  /** Proven, and not refused when it was last written to. */
  async #isMailReached(em: EntityManager, { email, emailVerified }: Addressee): Promise<boolean> {
    return email !== null && emailVerified && (await this.#parts.mails.findRefusal(email, em)) === null;
  }

  async #listSilenced(em: EntityManager, accountId: string): Promise<readonly Silenced[]> {
    return em.execute<Silenced[]>('select kind, channel from silenced_notice where account_id = ?', [accountId]);
  }

  async #notMePath(em: EntityManager, accountId: string): Promise<string> {
    const link = { ttl: this.#parts.notMeTtl, subject: accountId, em };
    return `/not-me/${await this.#parts.oneTime.put(NOT_ME, { accountId }, link)}`;
  }
}

const SPEAK = 'delete from silenced_notice where account_id = ? and kind = ? and channel = ?';
const SILENCE = `insert into silenced_notice (account_id, kind, channel, silenced_at) values (?, ?, ?, now()) on conflict do nothing`;

function kindOf(what: NoticeModel['what']): NoticeKind {
  return what === 'new-device' ? 'sign-in' : 'change';
}
