// The terms, when there are some that this account has not agreed to: between signing in and whatever an app gets (requirements R4). Who does not
// agree goes back to the app with nothing.
import type { Context } from 'koa';
import { z } from 'zod';
import { Forbidden } from '../errors.ts';
import { parseForm } from '../http/form.ts';
import type { TermsModel } from '../http/page-model.ts';
import { accountView, type Interaction, type InteractionParts, origin } from './interaction.ts';
import { finishDenied, finishTerms } from './result.ts';

const FORM = z.strictObject({ decision: z.enum(['allow', 'deny']), version: z.string().max(50) });

export function showTerms(ctx: Context, parts: InteractionParts, interaction: Interaction): void {
  const { account, client, uid, uiLocales } = interaction;
  const { terms } = parts;
  if (account === null || terms === null) throw new Forbidden('Nobody is asked for this.');
  const model: TermsModel = {
    client,
    action: `/interaction/${uid}/terms`,
    url: terms.url,
    version: terms.version,
    isAgain: account.termsVersion !== null,
    account: accountView(account),
    switchAction: `/interaction/${uid}/switch`,
  };
  const options = { uiLocales, accountLocale: account.locale, account: accountView(account) };
  parts.pages.show(ctx, 'terms', model, options);
}

export async function submitTerms(ctx: Context, parts: InteractionParts, interaction: Interaction): Promise<void> {
  const { decision, version } = parseForm(ctx, FORM);
  const { account } = interaction;
  const { terms } = parts;
  if (account === null || terms === null) throw new Forbidden('Nobody is asked for this.');
  const target = { kind: 'account', id: account.id } as const;
  const cause = { actor: target, origin: origin(ctx) };
  if (decision === 'deny') {
    await parts.audit.record({ ...cause, action: 'terms.accept', target, result: 'failure', reason: 'declined' });
    await finishDenied(ctx, parts.engine);
    return;
  }
  // What was read is what is agreed to: with other terms in force meanwhile it is asked again.
  if (version === terms.version) await parts.accounts.acceptTerms(account.id, version, cause);
  await finishTerms(ctx, parts.engine, version);
}
