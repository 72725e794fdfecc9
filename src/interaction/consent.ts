// What a client may see and do. Asked once, again when it wants more, and each time for native apps that cannot prove who they are.
import type { Context } from 'koa';
import { z } from 'zod';
import { Forbidden } from '../errors.ts';
import { parseForm } from '../http/form.ts';
import type { ConsentModel } from '../http/page-model.ts';
import { askedScopes } from '../oidc/asked-scopes.ts';
import { SCOPES } from '../oidc/provider.ts';
import { accountView, type Interaction, type InteractionParts, origin } from './interaction.ts';
import { finishConsent, finishDenied } from './result.ts';

const FORM = z.strictObject({ decision: z.enum(['allow', 'deny']) });

interface Missing {
  readonly missingOIDCScope?: string[];
  readonly missingOIDCClaims?: string[];
  readonly missingResourceScopes?: Record<string, string[]>;
}

export async function showConsent(ctx: Context, parts: InteractionParts, interaction: Interaction): Promise<void> {
  const { details, uid, client } = interaction;
  const account = requireAccount(interaction);
  const missing = details.prompt.details as Missing;
  const known = await parts.consents.find(account.subject, interaction.clientId);
  const isNew = (scope: string, resource?: string): boolean => {
    const missed = resource === undefined ? missing.missingOIDCScope : missing.missingResourceScopes?.[resource];
    return known !== null && (missed ?? []).includes(scope);
  };
  const scopes = askedScopes({ params: details.params, ownScopes: SCOPES, resources: parts.resources }, isNew);
  const organization = await findOrganization(parts, interaction, account.id);
  const engineClient = await parts.engine.provider.Client.find(interaction.clientId);
  const model: ConsentModel = {
    client: {
      name: client?.name ?? interaction.clientId,
      host: client?.host ?? '',
      logoUri: null,
      verified: false,
      policyUri: client?.policyUri ?? null,
      tosUri: client?.tosUri ?? null,
      firstParty: engineClient?.['latchkey_first_party'] === true,
    },
    account: { ...accountView(account), switchUrl: `/interaction/${uid}/switch` },
    ...(organization ? { organization: { name: organization.name, logoUrl: organization.logoUrl } } : {}),
    scopes,
    offlineAccess: scopes.some((scope) => scope.name === 'offline_access'),
    isAgain: known !== null,
    action: `/interaction/${uid}/consent`,
    redirectHost: client?.host ?? '',
  };
  parts.pages.show(ctx, 'consent', model, {
    uiLocales: interaction.uiLocales,
    accountLocale: account.locale,
    account: accountView(account),
  });
}

export async function submitConsent(ctx: Context, parts: InteractionParts, interaction: Interaction): Promise<void> {
  const { decision } = parseForm(ctx, FORM);
  const account = requireAccount(interaction);
  const { details, clientId } = interaction;
  const cause = { actor: { kind: 'account', id: account.id } as const, origin: origin(ctx) };
  if (decision === 'deny') {
    await parts.audit.record({
      ...cause,
      action: 'consent.deny',
      target: { kind: 'client', id: clientId },
      clientId,
      result: 'failure',
    });
    await finishDenied(ctx, parts.engine);
    return;
  }
  const { Grant } = parts.engine.provider;
  const existing = details.grantId === undefined ? undefined : await Grant.find(details.grantId);
  const grant =
    existing?.accountId === account.subject && existing.clientId === clientId
      ? existing
      : new Grant({ accountId: account.subject, clientId });
  const missing = details.prompt.details as Missing;
  if (missing.missingOIDCScope) grant.addOIDCScope(missing.missingOIDCScope.join(' '));
  if (missing.missingOIDCClaims) grant.addOIDCClaims(missing.missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missing.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '));
  }
  const grantId = await grant.save();
  await parts.consents.set(
    account.id,
    clientId,
    { scope: grant.openid?.scope ?? '', claims: grant.openid?.claims ?? [], resources: grant.resources ?? {} },
    cause,
  );
  await finishConsent(ctx, parts.engine, grantId);
}

/** What the app is told of, as the engine will find it again: named, chosen or the only one. */
async function findOrganization(parts: InteractionParts, { details }: Interaction, accountId: string) {
  const { params, lastSubmission } = details;
  if (!String(params['scope']).split(' ').includes('organizations')) return undefined;
  const all = await parts.organizations.listOf(accountId);
  const chosen = lastSubmission?.['organization'] as { readonly id?: string } | undefined;
  const wanted = params['organization'] ?? chosen?.id;
  return wanted === undefined
    ? all.find(() => all.length === 1)
    : all.find(({ id, slug }) => id === wanted || slug === wanted);
}

function requireAccount({ account }: Interaction): NonNullable<Interaction['account']> {
  if (!account) throw new Forbidden('Sign in again to go on.', { code: 'interaction-expired' });
  return account;
}
