// The row of Microsoft, for any tenant: its addresses are Microsoft's own, led to loopback by the fetch of the adapter.
import type { GuardedFetch } from '../../../src/http/guarded-fetch.ts';
import { createAdapter } from '../../../src/upstream/adapters/index.ts';
import { ScriptedUpstream, UPSTREAM_CLIENT } from '../../support/scripted-upstream.ts';
import { openIdRow, withoutUserinfo } from './oidc.ts';
import { made, type OpenRow, type UpstreamRow } from './row.ts';

const ORIGIN = 'https://login.microsoftonline.com';
const TENANT = '72f988bf-86f1-41af-91ab-2d7cd011db47';
const OBJECT = '00000000-0000-0000-66f3-3332eca7ea81';

/** The documents of the upstream name Microsoft's addresses; what is asked there is asked on loopback. */
function led(fetch: GuardedFetch, upstream: ScriptedUpstream): GuardedFetch {
  return async (input, init) => {
    const asked = new URL(input instanceof Request ? input.url : input);
    const [, base = '', path = ''] = /^(\/[^/]+\/v2\.0)(.*)$/.exec(asked.pathname) ?? [];
    const answer = await fetch(new URL(`${path}${asked.search}`, upstream.issuer), init);
    if (!path.startsWith('/.well-known/')) return answer;
    const text = (await answer.text()).replaceAll(upstream.issuer, `${ORIGIN}${base}`);
    return new Response(text, { status: answer.status, headers: { 'content-type': 'application/json' } });
  };
}

/** @param told what the discovery document of this tenant names in the place of a tenant */
export async function openMicrosoft(tenant: string, told = '{tenantid}'): Promise<OpenRow> {
  const upstream = await ScriptedUpstream.start();
  upstream.toldIssuer = `${ORIGIN}/${told}/v2.0`;
  upstream.person = {
    ...{
      iss: `${ORIGIN}/${TENANT}/v2.0`,
      tid: TENANT,
      oid: OBJECT,
      sub: 'AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ',
    },
    ...{ email: 'ann@contoso.com', xms_edov: true, name: 'Ann Example', preferred_username: 'ann@contoso.com' },
  };
  const declaration = { id: 'microsoft', kind: 'microsoft', clientId: UPSTREAM_CLIENT.id, tenant };
  const row = withoutUserinfo(
    openIdRow(upstream, (fetch) =>
      made(createAdapter(declaration, { fetch: led(fetch, upstream), secret: UPSTREAM_CLIENT.secret })),
    ),
  );
  return {
    ...row,
    hostile: {
      ...row.hostile,
      withoutSubject: () => {
        upstream.script.claims = { oid: undefined };
      },
      emailVerified: (value) => {
        // What any other provider would say counts for nothing here.
        upstream.script.claims = { xms_edov: value, email_verified: true };
      },
    },
  };
}

export const microsoftRow: UpstreamRow = {
  kind: 'microsoft',
  open: () => openMicrosoft('common'),
  expected: () => ({
    ...{ issuer: `${ORIGIN}/${TENANT}/v2.0`, subject: OBJECT, email: 'ann@contoso.com', emailVerified: true },
    ...{ username: 'ann@contoso.com', name: 'Ann Example', givenName: null, familyName: null },
    ...{ picture: null, locale: null },
  }),
};
