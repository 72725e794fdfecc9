// Every route of both portals against everybody who may come: a route that is not in the table fails, and so does a row without a route. What a
// person may do with ids of somebody else is told by the stories of each page.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { BUILT_IN_ROLES, type Permission, withInherited } from '../../src/access/permission.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts, authorizationRequest } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, TEST_PASSWORD } from '../support/server.ts';
import { addTotp } from './factors/stories.ts';

const CLI = { actor: { kind: 'cli' } } as const;

/** Routes that guard themselves by a token in their address, by their interaction, or by nothing because there is nothing to guard. */
const OPEN = [
  ...[
    '/',
    '/.well-known/change-password',
    '/account-restore',
    '/email-undo',
    '/interaction',
    '/invitation',
    '/language',
  ],
  ...['/link', '/not-me', '/organization-logos', '/pictures', '/reset', '/setup', '/telegram', '/upstream'],
];
/** Of the account portal: what only leads on, and where the engine and a mailed link come back. */
const OPEN_IN_PORTAL = ['GET /account', 'GET /account/callback', 'POST /account/profile/email/link'];

/** Whoever is signed in. */
const PERSON = [
  ...['GET /account/activity', 'POST /account/activity/not-me', 'GET /account/apps', 'POST /account/apps/revoke'],
  ...[
    'GET /account/data',
    'GET /account/data/export',
    'POST /account/data/export',
    'GET /account/delete',
    'POST /account/delete',
  ],
  ...['GET /account/identities', 'POST /account/identities/link', 'POST /account/identities/telegram'],
  ...[
    'GET /account/identities/:id/unlink',
    'POST /account/identities/:id/unlink',
    'GET /account/identities/linked/:ticket',
  ],
  ...['GET /account/identities/telegram/:approval', 'POST /account/identities/telegram/:approval'],
  ...['GET /account/identities/telegram/:approval/events', 'GET /account/identities/telegram/:approval/state'],
  ...['GET /account/organizations', 'GET /account/organizations/join', 'POST /account/organizations/join'],
  ...['GET /account/organizations/join/:requestId', 'POST /account/organizations/join/:requestId'],
  ...['POST /account/organizations/join/:requestId/resend', 'POST /account/organizations/join/link'],
  ...['GET /account/organizations/:id/leave', 'POST /account/organizations/:id/leave'],
  ...['GET /account/profile', 'POST /account/profile', 'GET /account/profile/email', 'POST /account/profile/email'],
  ...['GET /account/profile/email/:requestId', 'POST /account/profile/email/:requestId'],
  ...[
    'POST /account/profile/email/:requestId/resend',
    'POST /account/profile/email/cancel',
    'GET /account/profile/notices',
    'POST /account/profile/notices',
    'GET /account/profile/phone',
    'POST /account/profile/phone',
    'POST /account/profile/picture',
    'POST /account/profile/picture/remove',
  ],
  ...['GET /account/security', 'GET /account/security/authenticator', 'POST /account/security/authenticator'],
  ...['GET /account/security/authenticator/remove', 'POST /account/security/authenticator/remove'],
  ...['GET /account/security/passkeys/:id/delete', 'POST /account/security/passkeys/:id/delete'],
  ...['GET /account/security/passkeys/:id/rename', 'POST /account/security/passkeys/:id/rename'],
  ...[
    'GET /account/security/passkeys/add',
    'POST /account/security/passkeys/add',
    'POST /account/security/passkeys/options',
  ],
  ...['GET /account/security/password', 'POST /account/security/password'],
  ...['GET /account/security/password/remove', 'POST /account/security/password/remove'],
  ...['GET /account/security/recovery-codes', 'POST /account/security/recovery-codes'],
  ...['GET /account/security/telegram', 'POST /account/security/telegram'],
  ...['GET /account/security/telegram/:approval', 'POST /account/security/telegram/:approval'],
  ...['GET /account/security/telegram/:approval/events', 'GET /account/security/telegram/:approval/state'],
  ...['GET /account/security/telegram/remove', 'POST /account/security/telegram/remove'],
  ...['GET /account/sessions', 'POST /account/sessions/:id/end', 'POST /account/sessions/:id/name'],
  ...['POST /account/sessions/end-all', 'POST /account/sessions/end-others'],
];

/** What an administrator needs; null where any administrative role does. */
const ADMIN: Readonly<Record<string, Permission | null>> = {
  'GET /admin': null,
  'GET /admin/accounts': 'accounts:read',
  'POST /admin/accounts': 'accounts:create',
  'POST /admin/accounts/bulk': 'accounts:read',
  'GET /admin/accounts/bulk/:ticket': 'accounts:read',
  'POST /admin/accounts/bulk/:ticket': 'accounts:read',
  'GET /admin/accounts/:id': 'accounts:read',
  'GET /admin/accounts/:id/apps': 'accounts:read',
  'GET /admin/accounts/:id/credentials': 'accounts:read',
  'GET /admin/accounts/:id/events': 'audit:read',
  'GET /admin/accounts/:id/roles': 'accounts:read',
  'GET /admin/accounts/:id/sessions': 'sessions:read',
  'GET /admin/audit': 'audit:read',
  'POST /admin/audit/export': 'audit:export',
  'GET /admin/claims': 'clients:read',
  'GET /admin/clients': 'clients:read',
  'POST /admin/clients': 'clients:write',
  'GET /admin/clients/:id': 'clients:read',
  'POST /admin/clients/:id': 'clients:write',
  'GET /admin/clients/:id/delete': 'clients:delete',
  'POST /admin/clients/:id/delete': 'clients:delete',
  'POST /admin/clients/:id/secret': 'clients:write',
  'GET /admin/invitations': 'invitations:write',
  'POST /admin/invitations': 'invitations:write',
  'POST /admin/invitations/:id/resend': 'invitations:write',
  'POST /admin/invitations/:id/revoke': 'invitations:write',
  'GET /admin/roles': 'roles:read',
  'GET /admin/roles/:id': 'roles:read',
  'POST /admin/roles/:id': 'roles:write',
  'GET /admin/roles/:id/delete': 'roles:write',
  'POST /admin/roles/:id/delete': 'roles:write',
  'GET /admin/roles/new': 'roles:write',
  'POST /admin/roles/new': 'roles:write',
  'GET /admin/upstreams': 'upstreams:read',
  'GET /admin/upstreams/:id': 'upstreams:read',
  'POST /admin/upstreams/:id': 'upstreams:write',
  'GET /admin/upstreams/:id/delete': 'upstreams:write',
  'POST /admin/upstreams/:id/delete': 'upstreams:write',
  'POST /admin/upstreams/:id/move': 'upstreams:write',
  'POST /admin/upstreams/:id/state': 'upstreams:write',
  'POST /admin/upstreams/:id/test': 'upstreams:read',
  'GET /admin/upstreams/new': 'upstreams:write',
  'GET /admin/upstreams/new/:kind': 'upstreams:write',
  'POST /admin/upstreams/new/:kind': 'upstreams:write',
  'GET /admin/settings': 'settings:read',
  'GET /admin/settings/brand': 'settings:read',
  'POST /admin/settings/brand': 'settings:write',
  'POST /admin/settings/brand/logo': 'settings:write',
  'POST /admin/settings/brand/logo/delete': 'settings:write',
  'POST /admin/settings/test-mail': 'settings:write',
  'POST /admin/settings/test-telegram': 'settings:write',
  ...bothOf('/admin/accounts/:id', {
    ...{ delete: 'accounts:delete', disable: 'accounts:update', edit: 'accounts:update', enable: 'accounts:update' },
    ...{ reset: 'accounts:reset', 'reset-credentials': 'accounts:reset', unlock: 'accounts:reset' },
    ...{ restore: 'accounts:delete', 'sessions/:session/end': 'sessions:revoke' },
    ...{ 'give-role': 'accounts:read', 'take-role': 'accounts:read', 'sign-out': 'sessions:revoke' },
  }),
};

/** Whoever reads or writes all organizations, and those who look after one of them: an answer is a page of theirs, or none. */
const ORGANIZATION: Readonly<Record<string, Permission>> = {
  'GET /admin/organizations': 'organizations:read',
  'POST /admin/organizations': 'organizations:write',
  'GET /admin/organizations/:id': 'organizations:read',
  'POST /admin/organizations/:id': 'organizations:write',
  'GET /admin/organizations/:id/delete': 'organizations:write',
  'POST /admin/organizations/:id/delete': 'organizations:write',
  'GET /admin/organizations/:id/invitations': 'organizations:read',
  'POST /admin/organizations/:id/invitations': 'organizations:write',
  'POST /admin/organizations/:id/invitations/:invitation/resend': 'organizations:write',
  'POST /admin/organizations/:id/invitations/:invitation/revoke': 'organizations:write',
  'POST /admin/organizations/:id/logo': 'organizations:write',
  'POST /admin/organizations/:id/logo/delete': 'organizations:write',
  'GET /admin/organizations/:id/roles': 'organizations:read',
  'POST /admin/organizations/:id/roles': 'organizations:write',
  'GET /admin/organizations/:id/roles/:role/delete': 'organizations:read',
  'POST /admin/organizations/:id/roles/:role/delete': 'organizations:write',
  'GET /admin/organizations/:id/members/:account': 'organizations:read',
  'POST /admin/organizations/:id/members/:account/roles': 'organizations:write',
  'POST /admin/organizations/:id/members': 'organizations:write',
  'POST /admin/organizations/:id/members/:account': 'organizations:write',
  'POST /admin/organizations/:id/members/:account/remove': 'organizations:write',
};

/** Whether a role may be given depends on the role: see test/access. Nobody is asked for less than to read. */
const ROLE_DECIDES = ['GET /admin/accounts/:id/give-role', 'GET /admin/accounts/:id/take-role'];
/** Forms with a file. */
const UPLOADS = [
  'POST /admin/settings/brand/logo',
  'POST /account/profile/picture',
  'POST /admin/organizations/:id/logo',
];
/** What leaves nothing behind to go on with. */
const LAST = ['POST /account/sessions/end-all', 'POST /account/delete', 'POST /account/activity/not-me'];

/** The page that asks, and the form that does. */
function bothOf(path: string, actions: Readonly<Record<string, Permission>>): Record<string, Permission> {
  return Object.fromEntries(
    Object.entries(actions).flatMap(([action, permission]) => [
      [`GET ${path}/${action}`, permission],
      [`POST ${path}/${action}`, permission],
    ]),
  );
}

const permissionsOf = (id: string): ReadonlySet<string> =>
  new Set(
    withInherited([id], new Map(BUILT_IN_ROLES.map((role) => [role.id, role]))).flatMap((one) => one.permissions),
  );

function isOpen(route: string): boolean {
  const [, path = ''] = route.split(' ');
  return (
    OPEN_IN_PORTAL.includes(route) || OPEN.some((one) => path === one || (one !== '/' && path.startsWith(`${one}/`)))
  );
}

interface Visitor {
  readonly browser: Browser;
  readonly csrf: string;
}

async function visitor(browser: Browser): Promise<Visitor> {
  const page = await browser.get('/reset');
  return { browser, csrf: page.element('input[name=csrf]').getAttribute('value') ?? '' };
}

describeOnEachBackend(
  'the routes of the portals',
  (latchkey) => {
    const portalRoutes = () => [...PERSON, ...Object.keys(ADMIN), ...Object.keys(ORGANIZATION)];

    let organizationCount = 0;
    function organization({ app }: Latchkey) {
      organizationCount += 1;
      const slug = `walked-${organizationCount}`;
      const input = { slug, name: slug, domains: [], secondFactorRequired: false };
      return app.organizations.create(input, { kind: 'cli' }, CLI);
    }

    async function signedIn(role: string | null, of?: string): Promise<Visitor> {
      const { app } = latchkey();
      const account = await latchkey().createAccount();
      if (of !== undefined) await app.organizations.add(of, account.id, 'owner', { kind: 'cli' }, CLI);
      if (role !== null) await app.database.transaction((em) => app.roles.assign(em, account.id, role, CLI));
      const browser = latchkey().browser();
      await answerPrompts(browser, await browser.get('/account'), { account });
      return visitor(browser);
    }

    /** The password was right, the second factor is still owed. */
    async function halfSignedIn(): Promise<Visitor> {
      const account = await latchkey().createAccount();
      await addTotp(latchkey(), account);
      const browser = latchkey().browser();
      const client = await latchkey().createClient();
      const login = await browser.get(authorizationRequest(latchkey().issuer, client).url);
      const page = await browser.submit(login, { login: account.email ?? '', password: TEST_PASSWORD });
      assert.equal(page.id, 'second-factor', page.describe());
      return visitor(browser);
    }

    /** A route with ids in its places: of an account and a client that are there, of nothing anywhere else. */
    async function targets(running: Latchkey): Promise<(route: string) => string> {
      const account = await running.createAccount();
      const { clientId } = await running.createClient();
      const { id: organizationId } = await organization(running);
      const ids: readonly (readonly [string, string])[] = [
        ['/admin/accounts/', account.id],
        ['/admin/clients/', clientId],
        ['/admin/organizations/', organizationId],
      ];
      return (route) => {
        const [, path = ''] = route.split(' ');
        const id = ids.find(([beginning]) => path.startsWith(beginning))?.[1];
        return path.replace(/:id/, () => id ?? randomUUID()).replaceAll(/:[a-zA-Z]+/g, () => randomUUID());
      };
    }

    /** With the token that a form of theirs would carry, and nothing else filled in. */
    const come = (who: Visitor, route: string, path: string): Promise<Page> =>
      route.startsWith('GET ')
        ? who.browser.request(path, { headers: { 'sec-fetch-site': 'none' } })
        : postTo(who, route, path, { csrf: who.csrf });

    function postTo({ browser }: Visitor, route: string, path: string, fields: Record<string, string>): Promise<Page> {
      if (!UPLOADS.includes(route)) return browser.post(path, new URLSearchParams(fields).toString());
      const boundary = 'walks-through-all-routes';
      const parts = Object.entries(fields).map(
        ([name, value]) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
      );
      const type = { 'content-type': `multipart/form-data; boundary=${boundary}` };
      return browser.post(path, `${parts.join('')}--${boundary}--\r\n`, type);
    }

    it('are found from the start page by those who may go there', async () => {
      const visits = [await visitor(latchkey().browser()), await signedIn(null), await signedIn('viewer')];
      const links = await Promise.all(
        visits.map(async ({ browser }) => {
          const page = await browser.get('/');
          return ['/account', '/admin'].filter((url) => page.html.querySelector(`main a[href="${url}"]`) !== null);
        }),
      );
      assert.deepEqual(links, [[], ['/account'], ['/account', '/admin']]);
    });

    it('are all in the table, and nothing else is', () => {
      const routes = latchkey()
        .app.routes()
        .filter(({ method }) => method !== 'HEAD')
        .map(({ method, path }) => `${method} ${path}`);
      const guarded = [...new Set(routes)].filter((route) => !isOpen(route)).toSorted();
      assert.deepEqual(guarded, portalRoutes().toSorted());
    });

    for (const [name, arrive] of [
      ['nobody', async () => visitor(latchkey().browser())],
      ['somebody who owes a second factor', halfSignedIn],
    ] as const) {
      it(`send ${name} to sign in, and nothing of the page with it`, async () => {
        const who = await arrive();
        const pathOf = await targets(latchkey());
        for (const route of portalRoutes()) {
          const page = await come(who, route, pathOf(route));
          // What a script asks for is not led away.
          if (/:approval\/(?:events|state)$/.test(route)) {
            assert.equal(page.status, 404, route);
            continue;
          }
          assert.equal(page.status, 303, `${route}: ${page.describe()}`);
          assert.equal(page.location?.pathname, '/auth', route);
        }
      });
    }

    it('take no form without its token, from nobody and not from the highest either', async () => {
      const pathOf = await targets(latchkey());
      for (const who of [await visitor(latchkey().browser()), await signedIn('super-admin')]) {
        for (const route of [...portalRoutes(), ...OPEN_IN_PORTAL].filter((one) => one.startsWith('POST '))) {
          const page = await postTo(who, route, pathOf(route), {});
          assert.equal(page.status, 403, `${route}: ${page.describe()}`);
          assert.notEqual(page.error, 'permission-missing', route);
        }
      }
    });

    it('of the admin portal are not there for a person', async () => {
      const who = await signedIn(null);
      const pathOf = await targets(latchkey());
      for (const route of [...Object.keys(ADMIN), ...Object.keys(ORGANIZATION)]) {
        const page = await come(who, route, pathOf(route));
        assert.equal(page.status, 404, `${route}: ${page.describe()}`);
      }
    });

    for (const { id } of BUILT_IN_ROLES) {
      it(`give ${id} what the role allows and nothing else`, async () => {
        const who = await signedIn(id);
        const pathOf = await targets(latchkey());
        const permissions = permissionsOf(id);
        for (const [route, permission] of Object.entries(ADMIN)) {
          const page = await come(who, route, pathOf(route));
          if (permission === null || permissions.has(permission)) {
            if (ROLE_DECIDES.includes(route) && page.error === 'permission-missing') continue;
            assert.ok(page.status < 500 && page.status !== 403 && page.status !== 401, `${route}: ${page.describe()}`);
          } else {
            assert.equal(page.status, 403, `${route}: ${page.describe()}`);
            assert.equal(page.error, 'permission-missing', route);
          }
        }
        for (const [route, permission] of Object.entries(ORGANIZATION)) {
          const page = await come(who, route, pathOf(route));
          if (permissions.has(permission)) {
            assert.ok(page.status < 500 && page.status !== 403, `${route}: ${page.describe()}`);
          } else {
            assert.ok([400, 403, 404].includes(page.status), `${route}: ${page.describe()}`);
          }
        }
      });
    }

    it('keep the owner of one organization out of every other, and of everything else', async () => {
      const own = await organization(latchkey());
      const who = await signedIn(null, own.id);
      const pathOf = await targets(latchkey());
      assert.equal((await who.browser.get(`/admin/organizations/${own.id}`)).id, 'admin-organization');
      for (const route of [...Object.keys(ADMIN), ...Object.keys(ORGANIZATION)]) {
        if (route === 'GET /admin/organizations') continue;
        const page = await come(who, route, pathOf(route));
        // A form that lacks its fields is refused before it is looked at whose it is.
        assert.ok(
          page.status === 404 || (route.startsWith('POST ') && [400, 403].includes(page.status)),
          `${route}: ${page.describe()}`,
        );
      }
    });

    it('of the account portal are found or not, but never refused to a person', async () => {
      const pathOf = await targets(latchkey());
      const who = await signedIn(null);
      for (const route of PERSON) {
        const page = await come(LAST.includes(route) ? await signedIn(null) : who, route, pathOf(route));
        assert.ok([200, 303, 400, 404, 422].includes(page.status), `${route}: ${page.describe()}`);
        assert.notEqual(page.location?.pathname, '/auth', route);
      }
    });
  },
  { env: { LATCHKEY_LIMITS_OFF: 'true' } },
);
