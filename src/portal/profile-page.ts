// What the page about the person shows, in all its stages. It changes nothing.
import type { RouterContext } from '@koa/router';
import type { Accounts } from '../account/accounts.ts';
import type { EmailChanges } from '../account/email-changes.ts';
import { formatPhone } from '../account/phone-number.ts';
import type { Pictures } from '../account/pictures.ts';
import type { ProvenPhones } from '../account/proven-phones.ts';
import type { Audit } from '../audit/audit.ts';
import type { MailedSecrets } from '../credential/mailed-secret.ts';
import type { CookieNaming } from '../http/browser.ts';
import type { Pages } from '../http/page.ts';
import type { ProfileModel } from '../http/page-model.ts';
import { NOTICE_KINDS, type NoticeChoice, type Notices } from '../notification/notices.ts';
import type { Notifications } from '../notification/notifications.ts';
import type { Database } from '../storage/database.ts';
import type { FreshProofParts } from './fresh-proof.ts';
import type { PortalSession } from './portal-session.ts';

/** By their IANA names, as this process knows them. */
export const TIME_ZONES: readonly string[] = [...new Set(['UTC', ...Intl.supportedValuesOf('timeZone')])].toSorted();

export const PROFILE = '/account/profile';
const CHANGED = ['profile', 'email', 'phone'] as const;

export interface ProfileParts extends FreshProofParts {
  readonly accounts: Accounts;
  readonly emailChanges: EmailChanges;
  readonly provenPhones: ProvenPhones;
  /** Where a number can be proven: the bot's name without @, once it is known. */
  phoneBot(): string | null;
  readonly pictures: Pictures;
  readonly mailed: MailedSecrets;
  readonly notifications: Notifications;
  readonly notices: Notices;
  readonly audit: Audit;
  readonly database: Database;
  readonly pages: Pages;
  readonly naming: CookieNaming;
  readonly tellsOfNewDevices: boolean;
  /** Tags of the languages that a person can choose. */
  readonly languages: readonly { readonly tag: string; readonly name: string }[];
}

export async function showProfile(
  ctx: RouterContext,
  parts: ProfileParts,
  session: PortalSession,
  state: Partial<ProfileModel> = {},
  status = 200,
  chosenNotices: Partial<NoticeChoice> = {},
): Promise<void> {
  const { account } = session;
  const notices = await parts.notices.findChoice(parts.database.em(), account);
  const pending = await parts.emailChanges.findPending(account.id);
  const phone = await parts.provenPhones.findOfAccount(account.id);
  const bot = parts.phoneBot();
  const model: ProfileModel = {
    stage: 'overview',
    name: account.name ?? '',
    locale: account.locale ?? '',
    languages: parts.languages,
    picture: account.picture === null ? null : { path: parts.pictures.pathOf(account.picture) },
    zone: account.zoneinfo ?? '',
    // A zone that came from elsewhere is kept until another one is chosen.
    zones:
      account.zoneinfo === null || TIME_ZONES.includes(account.zoneinfo)
        ? TIME_ZONES
        : [account.zoneinfo, ...TIME_ZONES],
    theme: account.theme ?? '',
    email: account.email,
    username: account.username,
    pendingEmail: pending?.newEmail ?? null,
    phone: phone === null ? null : formatPhone(phone.number),
    phoneBot: bot === null ? null : { name: `@${bot}`, url: `https://t.me/${bot}` },
    notices: {
      channels: notices.reached,
      kinds: NOTICE_KINDS.filter((kind) => kind !== 'sign-in' || parts.tellsOfNewDevices).map((kind) => ({
        kind,
        ...notices.choice[kind],
        ...chosenNotices[kind],
      })),
    },
    typedEmail: '',
    code: null,
    changed: CHANGED.find((one) => one === ctx.query['changed']) ?? null,
    errors: { fields: {} },
    ...state,
  };
  parts.pages.show(ctx, 'account-profile', model, {
    status,
    accountLocale: account.locale,
    account: { name: account.name ?? account.username ?? account.email ?? '', email: account.email },
  });
}

export function toProfile(ctx: RouterContext, changed?: (typeof CHANGED)[number]): void {
  ctx.status = 303;
  ctx.redirect(changed === undefined ? PROFILE : `${PROFILE}?changed=${changed}`);
}
