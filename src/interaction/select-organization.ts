// Which organization somebody signs in for, when the app asks for it and there are several (requirements O5). The choice holds for this sign-in and what
// comes of it; whether the account belongs to it is asked again each time it is told to anybody.
import type { Context } from 'koa';
import { z } from 'zod';
import { Forbidden, InvalidRequest } from '../errors.ts';
import { parseForm } from '../http/form.ts';
import type { SelectOrganizationModel } from '../http/page-model.ts';
import { accountView, type Interaction, type InteractionParts } from './interaction.ts';
import { finishOrganization } from './result.ts';

const FORM = z.strictObject({ organization: z.string().max(50) });

export async function showSelectOrganization(
  ctx: Context,
  parts: InteractionParts,
  interaction: Interaction,
): Promise<void> {
  const { account, client, uid, uiLocales } = interaction;
  if (account === null) throw new Forbidden('Nobody is asked for this.');
  const all = await parts.organizations.listOf(account.id);
  const model: SelectOrganizationModel = {
    client,
    action: `/interaction/${uid}/organization`,
    organizations: all.map(({ id, slug, name, logoUrl }) => ({ id, slug, name, logoUrl })),
    account: accountView(account),
    switchAction: `/interaction/${uid}/switch`,
  };
  const options = { uiLocales, accountLocale: account.locale, account: accountView(account) };
  parts.pages.show(ctx, 'select-organization', model, options);
}

export async function submitSelectOrganization(
  ctx: Context,
  parts: InteractionParts,
  interaction: Interaction,
): Promise<void> {
  const form = parseForm(ctx, FORM);
  const { account } = interaction;
  if (account === null) throw new Forbidden('Nobody is asked for this.');
  const all = await parts.organizations.listOf(account.id);
  const chosen = all.find(({ id }) => id === form.organization);
  if (!chosen) throw new InvalidRequest('Choose an organization.', { code: 'no-organization-chosen' });
  await finishOrganization(ctx, parts.engine, chosen.id);
}
