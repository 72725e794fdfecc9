// The account chooser: who has signed in with this browser before. Choosing the one that is signed in goes on at once, any other has to
// sign in; nobody is signed in by choosing.
import type { Context } from 'koa';
import { z } from 'zod';
import { InvalidRequest } from '../errors.ts';
import { parseForm } from '../http/form.ts';
import { accountView, type Interaction, type InteractionParts } from './interaction.ts';
import { finishAccountChoice } from './result.ts';

const FORM = z.strictObject({
  account: z.string().max(50).optional(),
  decision: z.literal('other').optional(),
  remove: z.string().max(50).optional(),
});

export async function showSelectAccount(
  ctx: Context,
  parts: InteractionParts,
  interaction: Interaction,
): Promise<void> {
  const current = interaction.account?.subject;
  const rows = await Promise.all(
    choices(ctx, parts, interaction).map((subject) => parts.accounts.findBySubject(subject)),
  );
  const accounts = rows
    .filter((row) => row?.status === 'active')
    .filter((row) => row !== null)
    .map((row) => ({
      id: parts.knownAccounts.handle(row.subject),
      ...accountView(row),
      isSignedIn: row.subject === current,
      isCurrent: row.subject === current,
    }));
  if (accounts.length === 0) {
    await finishAccountChoice(ctx, parts.engine, null);
    return;
  }
  parts.pages.show(
    ctx,
    'select-account',
    { client: interaction.client, action: `/interaction/${interaction.uid}/select-account`, accounts },
    { uiLocales: interaction.uiLocales, accountLocale: interaction.account?.locale },
  );
}

export async function submitSelectAccount(
  ctx: Context,
  parts: InteractionParts,
  interaction: Interaction,
): Promise<void> {
  const form = parseForm(ctx, FORM);
  const find = (handle: string): string | undefined =>
    choices(ctx, parts, interaction).find((subject) => parts.knownAccounts.isHandleOf(subject, handle));
  if (form.remove !== undefined) {
    const subject = find(form.remove);
    if (subject !== undefined) parts.knownAccounts.forget(ctx, subject);
    ctx.status = 303;
    ctx.redirect(`/interaction/${interaction.uid}`);
    return;
  }
  if (form.decision === 'other') {
    await finishAccountChoice(ctx, parts.engine, null);
    return;
  }
  const chosen = form.account === undefined ? undefined : find(form.account);
  if (chosen === undefined)
    throw new InvalidRequest('Choose an account.', { code: 'no-account-chosen', field: 'account' });
  const account = await parts.accounts.findBySubject(chosen);
  await finishAccountChoice(ctx, parts.engine, chosen, account?.email ?? account?.username);
}

function choices(ctx: Context, parts: InteractionParts, { account }: Interaction): readonly string[] {
  const known = parts.knownAccounts.list(ctx);
  return account && !known.includes(account.subject) ? [account.subject, ...known] : known;
}
