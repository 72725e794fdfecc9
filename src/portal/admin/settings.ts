// The settings for administrators: what this process runs with and where each value comes from, to be read; and whether mails and messages of the
// bot arrive, tried with a message to oneself.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { SettingsSection } from '../../../config/print.ts';
import type { LinkedIdentities } from '../../account/linked-identities.ts';
import type { Audit } from '../../audit/audit.ts';
import { asker } from '../../http/asker.ts';
import { formBody, parseForm } from '../../http/form.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminSettingsModel, FormProblems } from '../../http/page-model.ts';
import type { Notifications } from '../../notification/notifications.ts';
import type { Telegram } from '../../telegram/telegram.ts';
import { TELEGRAM_IDENTITIES } from '../../upstream/upstreams.ts';
import { causeOf } from '../portal-session.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';

const HOME = '/admin/settings';
const EMPTY_FORM = z.strictObject({});
const NO_PROBLEMS: FormProblems = { fields: {} };
/** Of one account. */
const TESTS = { limit: 5, window: 900 };
/** Milliseconds after which a test that did not leave is given up. */
const TEST_LIFE = 900_000;

export interface AdminSettingsParts extends AdminDoorParts {
  /** With secrets masked. */
  readonly sections: readonly SettingsSection[];
  readonly identities: LinkedIdentities;
  readonly notifications: Notifications;
  readonly audit: Audit;
  readonly pages: Pages;
  readonly bot: Telegram | null;
}

type Shown = Partial<Pick<AdminSettingsModel, 'errors' | 'retryAfter'>>;

export function adminSettingsRoutes(parts: AdminSettingsParts): Router {
  const router = new Router();
  const body = formBody();
  const { look, change } = adminDoors(parts, HOME);
  /** Both cost somebody else work: a mail server, Telegram. */
  const test = (run: (ctx: RouterContext, who: Administrator) => Promise<string | null>, done: string) =>
    change('settings:write', async (ctx, who) => {
      parseForm(ctx, EMPTY_FORM);
      const spending = await parts.budgets.spend(`settings-test:${who.session.account.id}`, TESTS);
      if (!spending.isAllowed) {
        const { retryAfter } = spending;
        ctx.set('Retry-After', String(Math.ceil(retryAfter)));
        await show(
          ctx,
          parts,
          who,
          { retryAfter, errors: { summary: 'admin_settings.problem.many', fields: {} } },
          429,
        );
        return;
      }
      const problem = await run(ctx, who);
      if (problem !== null) {
        await show(ctx, parts, who, { errors: { summary: problem, fields: {} } }, 422);
        return;
      }
      ctx.status = 303;
      ctx.redirect(`${HOME}?done=${done}`);
    });

  router.get(
    HOME,
    look('settings:read', (ctx, who) => show(ctx, parts, who)),
  );
  router.post(
    `${HOME}/test-mail`,
    body,
    test((ctx, who) => sendMail(ctx, parts, who), 'mail'),
  );
  router.post(
    `${HOME}/test-telegram`,
    body,
    test((ctx, who) => sendMessage(ctx, parts, who), 'telegram'),
  );
  return router;
}

/** To the own address only, so that nobody is sent anything they did not ask for. @returns the key of what is wrong */
async function sendMail(ctx: RouterContext, parts: AdminSettingsParts, who: Administrator): Promise<string | null> {
  const { account } = who.session;
  if (account.email === null) return 'admin_settings.no_address';
  const isQueued = await parts.notifications.send(null, {
    kind: 'test',
    to: account.email,
    accountId: account.id,
    locale: account.locale ?? parts.pages.locale(ctx),
    zone: account.zoneinfo,
    model: { path: HOME, asked: asker(ctx) },
    expiresAt: new Date(Date.now() + TEST_LIFE),
  });
  if (!isQueued) return 'admin_settings.problem.queue';
  await parts.audit.record({ ...causeOf(ctx, account.id), action: 'settings.test', reason: 'mail' });
  return null;
}

async function sendMessage(ctx: RouterContext, parts: AdminSettingsParts, who: Administrator): Promise<string | null> {
  const { id } = who.session.account;
  const telegramId = await parts.identities.findSubject(id, TELEGRAM_IDENTITIES);
  if (telegramId === null || parts.bot === null) return 'admin_settings.no_telegram';
  const isSent = await parts.bot.sendTest(telegramId);
  const result = isSent ? 'success' : 'failure';
  await parts.audit.record({ ...causeOf(ctx, id), action: 'settings.test', reason: 'telegram', result });
  return isSent ? null : 'admin_settings.problem.telegram';
}

async function show(
  ctx: RouterContext,
  parts: AdminSettingsParts,
  who: Administrator,
  shown: Shown = {},
  status = 200,
): Promise<void> {
  const { account } = who.session;
  const [refusal, telegramId] = await Promise.all([
    account.email === null ? null : parts.notifications.findRefusal(account.email),
    parts.bot === null ? null : parts.identities.findSubject(account.id, TELEGRAM_IDENTITIES),
  ]);
  const model: AdminSettingsModel = {
    sections: parts.sections.map(({ title, settings }) => ({
      title,
      settings: settings.map(({ name, value, source, meaning }) => ({ name, value, from: source, meaning })),
    })),
    canWrite: who.authority.permissions.has('settings:write'),
    testAddress: account.email,
    refusal: refusal?.code ?? null,
    bot: parts.bot === null ? null : { isLinked: telegramId !== null },
    done: (['mail', 'telegram'] as const).find((one) => one === ctx.query['done']) ?? null,
    errors: NO_PROBLEMS,
    ...shown,
  };
  showAdminPage(ctx, parts, who, 'admin-settings', model, { status });
}
