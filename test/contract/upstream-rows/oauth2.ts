// What rows of OAuth 2.0 providers share: no ID token, and an API that says who it is.
import type { AdapterDeclaration } from '../../../src/upstream/adapter.ts';
import { createAdapter } from '../../../src/upstream/adapters/index.ts';
import { endless, html, json, ScriptedUpstream, silence, UPSTREAM_CLIENT } from '../../support/scripted-upstream.ts';
import { made, type OpenRow } from './row.ts';

interface Oauth2Row {
  readonly kind: string;
  readonly person: { readonly sub: string; readonly [name: string]: unknown };
  /** By path of the API, from the person and what the test changes. */
  readonly api: Readonly<Record<string, (person: Readonly<Record<string, unknown>>) => unknown>>;
  /** What takes the subject away, as a change of the person. */
  readonly withoutSubject: Readonly<Record<string, unknown>>;
  /** How this provider says whether an address was verified; left out where it has none. */
  readonly emailVerified?: (value: unknown) => Readonly<Record<string, unknown>>;
  /** How it refuses a code, and a client. */
  readonly refusal?: { readonly status: number; readonly body: object };
  readonly clientRefusal?: { readonly status: number; readonly body: object };
  /** What its answers name as their issuer (RFC 9207), below its address; left out where they name none. */
  readonly issuerPath?: string;
}

export async function openOauth2Row(row: Oauth2Row): Promise<OpenRow> {
  const upstream = await ScriptedUpstream.start();
  upstream.person = row.person;
  let changes: Readonly<Record<string, unknown>> = {};
  for (const [path, resource] of Object.entries(row.api)) {
    upstream.api.set(path, (person) => resource({ ...person, ...changes }));
  }
  const { paths } = upstream;
  const declaration: AdapterDeclaration = {
    ...{ id: row.kind, kind: row.kind, clientId: UPSTREAM_CLIENT.id },
    endpoints: {
      authorization: `${upstream.issuer}${paths.authorization}`,
      token: `${upstream.issuer}${paths.token}`,
      api: upstream.issuer,
    },
  };
  const { emailVerified } = row;
  return {
    issuer: upstream.issuer,
    adapter: (fetch) => made(createAdapter(declaration, { fetch, secret: UPSTREAM_CLIENT.secret })),
    signIn: (url) => {
      const answer = upstream.authorize(url);
      if (row.issuerPath !== undefined) answer.set('iss', `${upstream.issuer}${row.issuerPath}`);
      return answer;
    },
    asked: upstream.asked,
    reset: () => {
      changes = {};
      upstream.reset();
    },
    close: () => upstream.close(),
    hostile: {
      deny: () => {
        upstream.script.callback = { code: undefined, error: 'access_denied' };
      },
      calls: [paths.token, ...Object.keys(row.api)],
      answerWith: (path, answer) => {
        const answers = { silence, huge: endless(), packed: endless(true), html: html(200), 'html-502': html(502) };
        upstream.script.answers.set(path, answers[answer]);
      },
      withoutSubject: () => {
        changes = row.withoutSubject;
      },
      ...(emailVerified === undefined
        ? {}
        : {
            emailVerified: (value: unknown) => {
              changes = emailVerified(value);
            },
          }),
      refuseCode: () => {
        const { status = 400, body = { error: 'invalid_grant' } } = row.refusal ?? {};
        upstream.script.answers.set(paths.token, (_req, res) => json(res, body, status));
      },
      refuseClient: () => {
        const { status = 401, body = { error: 'invalid_client' } } = row.clientRefusal ?? {};
        upstream.script.answers.set(paths.token, (_req, res) => json(res, body, status));
      },
    },
  };
}
