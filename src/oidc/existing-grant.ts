// What a client may have without a new question: the grant of this session, else what the account allowed this client earlier, else for our
// own apps what they ask for.
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Consents } from './consents.ts';

/** @param longest seconds a refresh token may still live: a grant that would end before it is prolonged */
export async function loadExistingGrant(ctx: KoaContextWithOIDC, consents: Consents, longest: number) {
  const { oidc } = ctx;
  const { client, session, provider } = oidc;
  if (!client || !session) return undefined;
  const grantId = oidc.result?.consent?.grantId ?? session.grantIdFor(client.clientId);
  const found = grantId === undefined ? undefined : await provider.Grant.find(grantId);
  const isOurs = client['latchkey_first_party'] === true;
  const { accountId } = session;
  if (found && found.accountId === accountId) {
    const missing = isOurs ? missingOf(ctx, found) : [];
    const endsSoon = found.exp !== undefined && found.exp - Math.floor(Date.now() / 1000) < longest;
    for (const add of missing) add();
    if (missing.length > 0 || endsSoon) await found.save();
    return found;
  }
  if (accountId === undefined) return undefined;
  const consent = isOurs ? null : await consents.find(accountId, client.clientId);
  if (!isOurs && !consent) return undefined;
  const grant = new provider.Grant({ accountId, clientId: client.clientId });
  if (consent) {
    if (consent.scope !== '') grant.addOIDCScope(consent.scope);
    if (consent.claims.length > 0) grant.addOIDCClaims([...consent.claims]);
    for (const [resource, scope] of Object.entries(consent.resources)) grant.addResourceScope(resource, scope);
  } else {
    for (const add of missingOf(ctx, grant)) add();
  }
  await grant.save();
  // Taken back between the look and the grant: whoever takes it back ends the grants that are there, and this one was not yet.
  if (consent && !(await consents.find(accountId, client.clientId))) {
    await grant.destroy();
    return undefined;
  }
  return grant;
}

type Grant = InstanceType<KoaContextWithOIDC['oidc']['provider']['Grant']>;

/** One addition for each kind of thing that the request asks for and the grant lacks. */
function missingOf({ oidc }: KoaContextWithOIDC, grant: Grant): (() => void)[] {
  const missing: (() => void)[] = [];
  const scopes = lacking(oidc.requestParamOIDCScopes, grant.openid?.scope);
  if (scopes.length > 0) missing.push(() => grant.addOIDCScope(scopes.join(' ')));
  const claims = [...oidc.requestParamClaims].filter((claim) => !(grant.openid?.claims ?? []).includes(claim));
  if (claims.length > 0) missing.push(() => grant.addOIDCClaims(claims));
  for (const [indicator, server] of Object.entries(oidc.resourceServers ?? {})) {
    const wanted = [...oidc.requestParamScopes].filter((scope) => server.scopes.has(scope));
    const own = lacking(wanted, grant.resources?.[indicator]);
    if (own.length > 0) missing.push(() => grant.addResourceScope(indicator, own.join(' ')));
  }
  return missing;
}

function lacking(wanted: Iterable<string>, granted: string | undefined): string[] {
  const known = new Set((granted ?? '').split(' '));
  return [...wanted].filter((scope) => !known.has(scope));
}
