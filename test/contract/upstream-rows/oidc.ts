// The row of the adapter for any OpenID provider.
import { createAdapter } from '../../../src/upstream/adapters/index.ts';
import { endless, html, json, ScriptedUpstream, silence, UPSTREAM_CLIENT } from '../../support/scripted-upstream.ts';
import type { OpenRow, UpstreamRow } from './row.ts';

/** For kinds that are OpenID providers: the upstream and what it can be made to do. */
export function openIdRow(upstream: ScriptedUpstream, adapter: OpenRow['adapter']): OpenRow {
  const { paths } = upstream;
  return {
    issuer: upstream.issuer,
    adapter,
    signIn: (url) => upstream.authorize(url),
    asked: upstream.asked,
    reset: () => upstream.reset(),
    close: () => upstream.close(),
    hostile: {
      deny: () => {
        upstream.script.callback = { code: undefined, error: 'access_denied' };
      },
      calls: [paths.token, paths.jwks, paths.userinfo],
      answerWith: (path, answer) => {
        const answers = { silence, huge: endless(), packed: endless(true), html: html(200), 'html-502': html(502) };
        upstream.script.answers.set(path, answers[answer]);
      },
      withoutSubject: () => {
        upstream.script.claims = { sub: undefined };
        upstream.script.userinfo = { sub: undefined };
      },
      claims: (changes) => {
        upstream.script.claims = changes;
      },
      signature: (kind) => {
        upstream.script.signature = kind;
      },
      otherProfile: () => {
        upstream.script.userinfo = { sub: 'somebody-else' };
      },
      emailVerified: (value) => {
        upstream.script.claims = { email_verified: value };
        upstream.script.userinfo = { email_verified: value };
      },
      refuseCode: () => {
        upstream.script.answers.set(paths.token, (_req, res) => json(res, { error: 'invalid_grant' }, 400));
      },
      refuseClient: () => {
        upstream.script.answers.set(paths.token, (_req, res) => json(res, { error: 'invalid_client' }, 401));
      },
    },
  };
}

/** For kinds that say everything in the ID token: nothing of the profile is asked for, so nothing of it can lie. */
export function withoutUserinfo(row: OpenRow): OpenRow {
  const { otherProfile: _, ...hostile } = row.hostile;
  return { ...row, hostile: { ...hostile, calls: hostile.calls.filter((path) => path !== '/userinfo') } };
}

export const oidcRow: UpstreamRow = {
  kind: 'oidc',
  async open() {
    const upstream = await ScriptedUpstream.start();
    return openIdRow(upstream, (fetch) => {
      const declaration = {
        ...{ id: 'company', kind: 'oidc', clientId: UPSTREAM_CLIENT.id },
        endpoints: { issuer: upstream.issuer },
      };
      const adapter = createAdapter(declaration, { fetch, secret: UPSTREAM_CLIENT.secret });
      if (!adapter) throw new Error('there is no adapter for oidc');
      return adapter;
    });
  },
  expected: (row) => ({
    issuer: row.adapter(() => Promise.reject(new Error('not called'))).expectedIssuer ?? '',
    subject: 'person-1',
    email: 'ann@example.com',
    emailVerified: true,
    username: null,
    name: 'Ann Example',
    givenName: null,
    familyName: null,
    picture: 'https://pictures.example.com/ann.png',
    locale: 'en-GB',
  }),
};
