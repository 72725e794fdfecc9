// An upstream that administrators keep, from its form to a sign-in and back: the rules of the settings file, a secret that goes to its own address
// only, the order of the buttons, and what ends with turning it off or deleting it.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, it } from 'node:test';
import { upstreamMembers } from '../../config/declarations.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { ScriptedUpstream, UPSTREAM_CLIENT } from '../support/scripted-upstream.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';
import { settingsFile } from '../support/settings-file.ts';
import { openSignIn, passThrough, press, setStage, signInThere } from '../support/upstream-stage.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HOME = '/admin/upstreams';
const stage = await setStage({ declared: { label: 'Declared' } });
const [partner, other] = await Promise.all([ScriptedUpstream.start(), ScriptedUpstream.start()]);
after(() => Promise.all([partner.close(), other.close()]));
const { secret: SECRET, id: CLIENT_ID } = UPSTREAM_CLIENT;
const OIDC = { client_id: CLIENT_ID, secret: SECRET };

let counter = 0;
const newId = (): string => `kept-${(counter += 1)}`;
function newPerson() {
  counter += 1;
  return { sub: `there-${counter}`, email: `one${counter}@partner.example`, email_verified: true, name: 'One There' };
}

async function open(latchkey: Latchkey, role: string, path = HOME) {
  const account = await latchkey.createAccount();
  await latchkey.app.database.transaction((em) => latchkey.app.roles.assign(em, account.id, role, CLI));
  const browser = latchkey.browser();
  return { account, browser, page: await answerPrompts(browser, await browser.get(path), { account }) };
}

const form = (path: string): string => `form[action="${HOME}/${path}"]`;

async function add(browser: Browser, kind: string, fields: Record<string, string>): Promise<Page> {
  return browser.submit(await browser.get(`${HOME}/new/${kind}`), fields, { form: form(`new/${kind}`) });
}

/** One that people can sign in with. */
async function addPartner(browser: Browser, id: string, fields: Record<string, string> = {}): Promise<Page> {
  const issuer = partner.issuer;
  const made = await add(browser, 'oidc', { ...OIDC, id, issuer, trust_email: 'on', label: id, ...fields });
  assert.equal(made.html.querySelector('[data-done=saved]')?.tagName, 'P', made.describe());
  return turn(browser, id, 'on');
}

async function turn(browser: Browser, id: string, decision: 'on' | 'off'): Promise<Page> {
  const page = await browser.get(`${HOME}/${id}`);
  return browser.submit(page, {}, { form: form(`${id}/state`), button: ['decision', decision] });
}

const hasButton = (page: Page, id: string): boolean =>
  page.html.querySelector(`[name=upstream][value="${id}"]`) !== null;

function problems(page: Page): readonly string[] {
  return page.html.querySelectorAll('main .problem').map((one) => one.id.replace(/-problem$/, ''));
}

describeOnEachBackend(
  'an upstream that administrators keep',
  (latchkey) => {
    async function loginPage(): Promise<{ readonly browser: Browser; readonly page: Page }> {
      const browser = latchkey().browser();
      return { browser, page: await openSignIn(latchkey(), browser, await latchkey().createClient()) };
    }

    it('is looked at by who may only look', async () => {
      const { browser } = await open(latchkey(), 'super-admin');
      const id = newId();
      await addPartner(browser, id);
      const viewer = await open(latchkey(), 'operator', `${HOME}/${id}`);
      assert.equal(viewer.page.id, 'admin-upstream', viewer.page.describe());
      assert.equal(viewer.page.html.querySelector('#submit'), null);
      assert.equal(viewer.page.html.querySelector('[name=decision]'), null);
      assert.equal((await viewer.browser.get(`${HOME}/new`)).status, 403);
      const list = await viewer.browser.get(HOME);
      assert.equal(list.html.querySelector(`a[href="${HOME}/new"]`), null);
      const events = viewer.page.element('main a[href^="/admin/audit?target="]').getAttribute('href') ?? '';
      assert.match((await viewer.browser.get(events)).element('[data-event]').text, /upstream\.enable/);
    });

    it('is off until it is turned on, signs people in, and is gone for who is on the way when it is turned off', async () => {
      const { account, browser } = await open(latchkey(), 'super-admin');
      const id = newId();
      const made = await add(browser, 'oidc', { ...OIDC, id, issuer: partner.issuer, trust_email: 'on' });
      assert.equal(made.element('#callback').text, `${latchkey().issuer}/upstream/${id}/callback`);
      assert.ok(!hasButton((await loginPage()).page, id));
      // It can be tried before.
      const tested = await browser.submit(made, {}, { form: form(`${id}/test`) });
      assert.equal(tested.element('[data-tested]').getAttribute('data-tested'), 'good', tested.element('main').text);
      await turn(browser, id, 'on');
      const person = newPerson();
      const owner = await latchkey().createAccount({ email: person.email });
      const { browser: there, page } = await loginPage();
      const end = await answerPrompts(there, await passThrough(there, page, id, partner, person), {});
      assert.ok(end.params['code'], end.describe());
      const [linked] = await latchkey().app.identities.list(owner.id);
      assert.equal(linked?.upstream, id);

      const late = await loginPage();
      const callback = signInThere(partner, await press(late.browser, late.page, id), person);
      partner.asked.length = 0;
      await turn(browser, id, 'off');
      const refused = await late.browser.get(callback);
      assert.equal(refused.status, 410, refused.describe());
      assert.equal(refused.error, 'upstream-off');
      assert.deepEqual(partner.asked, []);
      const back = await late.browser.get(refused.element('main a[href*="/interaction/"]').getAttribute('href') ?? '');
      assert.equal(back.id, 'login', back.describe());
      assert.ok(!hasButton(back, id));
      // Neither a second try nor turning it on again brings the attempt back.
      await turn(browser, id, 'on');
      assert.equal((await late.browser.get(callback)).error, 'upstream-gone');
      assert.equal((await latchkey().app.identities.list(owner.id)).length, 1, 'what is linked stays');
      await turn(browser, id, 'off');
      const mine = latchkey().browser();
      const identities = await answerPrompts(mine, await mine.get('/account/identities'), { account: owner });
      assert.match(identities.element('main').text, new RegExp(new URL(partner.issuer).host));

      const { entries } = await latchkey().app.history.list({ targetId: id }, 50);
      assert.deepEqual(entries.map((one) => `${one.action} ${one.result} ${one.reason ?? ''}`.trim()).toReversed(), [
        ...['upstream.create success oidc', 'upstream.test success', 'upstream.enable success'],
        ...['upstream.disable success', 'session.start failure upstream-off', 'upstream.enable success'],
        ...['session.start failure unknown-state', 'upstream.disable success'],
      ]);
      assert.equal(entries.at(-1)?.actorId, account.id);
      assert.ok(!JSON.stringify(entries).includes(SECRET));
    });

    it('that is changed or deleted lets nobody in who was sent to what it was', async () => {
      const { browser } = await open(latchkey(), 'super-admin');
      const id = newId();
      await addPartner(browser, id);
      const person = newPerson();
      await latchkey().createAccount({ email: person.email });
      const first = await loginPage();
      const callback = signInThere(partner, await press(first.browser, first.page, id), person);
      await browser.submit(await browser.get(`${HOME}/${id}`), { label: 'Another name' }, { form: form(id) });
      assert.equal((await first.browser.get(callback)).error, 'upstream-off');
      const second = await loginPage();
      const again = signInThere(partner, await press(second.browser, second.page, id), person);
      await browser.submit(await browser.get(`${HOME}/${id}/delete`), {}, { form: form(`${id}/delete`) });
      assert.equal((await second.browser.get(again)).error, 'upstream-off');
      assert.equal((await second.browser.get(again)).status, 404);
    });

    it('never shows its secret again, and lies sealed', async () => {
      const { browser } = await open(latchkey(), 'super-admin');
      const id = newId();
      await addPartner(browser, id);
      const pages = [await browser.get(`${HOME}/${id}`), await browser.get(HOME)];
      // A form that is refused does not hand it back either.
      pages.push(await add(browser, 'oidc', { ...OIDC, id: 'Not good', issuer: partner.issuer }));
      assert.equal(pages.at(-1)?.status, 422);
      for (const page of pages) assert.ok(!page.text.includes(SECRET), page.url.href);
      const { sql } = latchkey().app.database;
      const { rows } = await sql.query<{ row: string; sealed: Uint8Array }>(
        {
          name: '',
          text: `select u::text || s::text as row, s.sealed from upstream u
            join upstream_secret s on s.upstream_id = u.id where u.id = $1`,
        },
        [id],
      );
      assert.equal(rows.length, 1);
      assert.ok(!rows[0]?.row.includes(SECRET));
      assert.equal(Buffer.from(rows[0]?.sealed ?? []).includes(SECRET), false);
      assert.ok(!latchkey().logLines.some((line) => line.includes(SECRET)));
      // Whoever writes to the database cannot have it sent elsewhere.
      await sql.query(
        {
          name: '',
          text: `update upstream set revision = gen_random_uuid(),
            declaration = jsonb_set(declaration, '{endpoints,issuer}', to_jsonb($2::text)) where id = $1`,
        },
        [id, other.issuer],
      );
      const { keptUpstreams } = latchkey().app;
      await keptUpstreams.refresh();
      const { declaration, hasSecret } = keptUpstreams.find(id) ?? {};
      assert.deepEqual([declaration?.endpoints, hasSecret], [{ issuer: other.issuer }, false]);
    });

    it('of an OpenID provider that moves elsewhere leaves its secret behind, and says so', async () => {
      const { browser } = await open(latchkey(), 'super-admin');
      const id = newId();
      await addPartner(browser, id);
      const same = await browser.submit(await browser.get(`${HOME}/${id}`), { label: 'Renamed' }, { form: form(id) });
      assert.ok(same.html.querySelector('[data-done=saved]'), same.describe());
      assert.equal(latchkey().app.keptUpstreams.find(id)?.hasSecret, true);
      const moved = await browser.submit(same, { issuer: other.issuer }, { form: form(id) });
      assert.ok(moved.html.querySelector('[data-done=secret-dropped]'), moved.describe());
      assert.equal(latchkey().app.keptUpstreams.find(id)?.hasSecret, false);
      // Nor does it come back with the old address.
      await browser.submit(moved, { issuer: partner.issuer }, { form: form(id) });
      assert.equal(latchkey().app.keptUpstreams.find(id)?.hasSecret, false);
      let presented = '';
      partner.script.answers.set('/token', (req, res) => {
        presented += String(req.headers.authorization);
        res.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_client"}');
      });
      await browser.submit(await browser.get(HOME), {}, { form: form(`${id}/test`) });
      partner.reset();
      assert.equal(presented, 'undefined');
    });

    for (const [kind, fields, change] of [
      ['google', {}, { issuer: 'https://accounts.evil.example' }],
      ['microsoft', { tenant: 'common' }, { tenant: 'evil.example' }],
      [
        'github',
        {},
        {
          authorization_endpoint: 'https://git.evil.example/authorize',
          token_endpoint: 'https://git.evil.example/token',
          api_root: 'https://git.evil.example/api',
        },
      ],
    ] as const) {
      it(`of ${kind} that moves elsewhere asks for the secret of the new address`, async () => {
        const { browser } = await open(latchkey(), 'super-admin');
        const id = newId();
        const page = await add(browser, kind, { ...OIDC, id, ...fields });
        assert.ok(page.html.querySelector('[data-done=saved]'), page.describe());
        const refused = await browser.submit(page, change, { form: form(id) });
        assert.equal(refused.status, 422);
        assert.deepEqual(problems(refused), ['secret']);
        assert.equal(latchkey().app.keptUpstreams.find(id)?.declaration.endpoints, undefined, 'nothing was stored');
        const moved = await browser.submit(refused, { ...change, secret: 'another one' }, { form: form(id) });
        assert.ok(moved.html.querySelector('[data-done=saved]'), moved.describe());
        assert.equal(latchkey().app.keptUpstreams.find(id)?.upstream?.settings.kind, kind);
      });
    }

    it('is held to the rules of the settings file, whatever its kind', async () => {
      const { browser } = await open(latchkey(), 'super-admin');
      const kinds = (await browser.get(`${HOME}/new`)).html
        .querySelectorAll(`main a[href^="${HOME}/new/"]`)
        .map((one) => one.getAttribute('href')?.split('/').at(-1));
      assert.deepEqual(kinds, [...upstreamMembers.keys()]);
      const empty = async (kind: string) => problems(await add(browser, kind, { id: newId() }));
      assert.deepEqual(await empty('google'), ['client_id', 'secret']);
      assert.deepEqual(await empty('apple'), ['client_id', 'team_id', 'key_id', 'secret']);
      assert.deepEqual(await empty('microsoft'), ['tenant', 'client_id', 'secret']);
      assert.deepEqual(await empty('oidc'), ['issuer', 'client_id']);
      for (const [kind, fields, faulty] of [
        ['google', { issuer: 'http://accounts.example.com' }, ['issuer']],
        ['google', { issuer: 'javascript:alert(1)' }, ['issuer']],
        ['google', { domains: 'example.com\nnot a domain' }, ['domains']],
        ['google', { label: 'x'.repeat(61) }, ['label']],
        ['google', { id: 'Google' }, ['id']],
        ['github', { token_endpoint: 'https://git.example.com/token' }, ['authorization_endpoint', 'api_root']],
        ['apple', { team_id: 'ABCDE12345', key_id: 'FGHIJ67890', secret: 'no key' }, ['secret']],
        ['microsoft', { tenant: 'a b' }, ['tenant']],
      ] as const) {
        const page = await add(browser, kind, { ...OIDC, id: newId(), ...fields });
        assert.equal(page.status, 422, `${kind} ${JSON.stringify(fields)}`);
        assert.deepEqual(problems(page), faulty, `${kind} ${JSON.stringify(fields)}`);
      }
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
      const secret = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString().replaceAll('\n', '\r\n');
      const apple = { id: newId(), client_id: 'com.example', team_id: 'ABCDE12345', key_id: 'FGHIJ67890', secret };
      assert.ok((await add(browser, 'apple', apple)).html.querySelector('[data-done=saved]'));
      assert.ok(latchkey().app.keptUpstreams.find(apple.id)?.upstream, 'its key is read');
    });

    it('takes no id that is somebody else’s, no field of another page and no kind that is none', async () => {
      const { browser, page } = await open(latchkey(), 'super-admin');
      const id = newId();
      await addPartner(browser, id);
      for (const taken of [id, 'declared', 'new', 'telegram-bot', 'telegram-widget', 'telegram']) {
        const refused = await add(browser, 'oidc', { ...OIDC, id: taken, issuer: partner.issuer });
        assert.deepEqual([refused.status, problems(refused)], [422, ['id']], taken);
      }
      const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
      const post = async (path: string, fields: Record<string, string>) =>
        (await browser.post(`${HOME}/${path}`, new URLSearchParams({ csrf, ...fields }).toString())).status;
      assert.equal(await post('new/oidc', { id: newId(), clientSecretFile: '/etc/passwd' }), 400);
      assert.equal(await post(id, { id: 'other', client_id: 'x' }), 400);
      assert.equal(await post('new/saml', {}), 404);
      assert.equal(await post('declared', { client_id: 'x' }), 404);
      assert.equal(await post('declared/state', { decision: 'off' }), 404);
      assert.equal((await browser.get(`${HOME}/declared/delete`)).status, 404);
      assert.equal(await post(`${id}/state`, { decision: 'maybe' }), 400);
    });

    it('stands behind the declared ones, and moves among its own once for each look', async () => {
      const { browser } = await open(latchkey(), 'super-admin');
      const [first, second, third] = [newId(), newId(), newId()] as const;
      for (const id of [first, second, third]) await addPartner(browser, id);
      const buttons = async () =>
        (await loginPage()).page.html
          .querySelectorAll('[name=upstream]')
          .map((one) => one.getAttribute('value') ?? '')
          .filter((id) => id === 'declared' || [first, second, third].includes(id));
      assert.deepEqual(await buttons(), ['declared', first, second, third]);
      const seen = await browser.get(HOME);
      const move = (page: Page, id: string, way: 'up' | 'down') =>
        browser.submit(page, {}, { form: form(`${id}/move`), button: ['decision', way] });
      await move(seen, third, 'up');
      assert.deepEqual(await buttons(), ['declared', first, third, second]);
      // A double click, and somebody with an old page.
      await move(seen, third, 'up');
      assert.deepEqual(await buttons(), ['declared', first, third, second]);
      const now = await browser.get(HOME);
      await Promise.all(Array.from({ length: 5 }, () => move(now, first, 'down')));
      assert.deepEqual(await buttons(), ['declared', third, first, second]);
      const { rows } = await latchkey().app.database.sql.query<{ all: number; places: number }>({
        name: '',
        text: 'select count(*)::int as all, count(distinct place)::int as places from upstream',
      });
      assert.equal(rows[0]?.all, rows[0]?.places);
    });

    it('is called at no private address but those that the operator allows', async () => {
      let calls = 0;
      const inside = createServer((_req, res) => {
        calls += 1;
        res.end('{}');
      });
      await new Promise<void>((done) => void inside.listen(0, '127.0.0.1', done));
      try {
        const { browser } = await open(latchkey(), 'super-admin');
        const { port } = inside.address() as AddressInfo;
        for (const issuer of [`http://127.0.0.1:${port}`, `https://127.0.0.1:${port}`, 'https://169.254.169.254']) {
          const id = newId();
          const made = await add(browser, 'oidc', { ...OIDC, id, issuer, label: 'Inside' });
          assert.ok(made.html.querySelector('[data-done=saved]'), made.describe());
          const tested = await browser.submit(await browser.get(HOME), {}, { form: form(`${id}/test`) });
          const step = tested.element(`[data-upstream=${id}] [data-step=address]`);
          assert.equal(step.getAttribute('data-problem'), 'setting', issuer);
          assert.match(step.text, /LATCHKEY_PRIVATE_NETWORK_HOSTS/);
          await turn(browser, id, 'on');
          const { browser: person, page } = await loginPage();
          const refused = await press(person, page, id);
          assert.equal(refused.status, 502, refused.describe());
          assert.doesNotMatch(refused.text, /127\.0\.0\.1|169\.254/);
        }
        assert.equal(calls, 0);
      } finally {
        inside.close();
      }
    });

    it('says whom its end would lock out, and asks before it does', async () => {
      const { account, browser } = await open(latchkey(), 'super-admin');
      const id = newId();
      await addPartner(browser, id);
      const { accounts, database, identities } = latchkey().app;
      const link = async (accountId: string) => {
        counter += 1;
        const key = { upstream: id, issuer: partner.issuer, subject: `linked-${counter}` };
        const details = { username: null, email: null, picture: null, tokens: null };
        await database.transaction((em) => identities.link(em, accountId, key, details));
      };
      const unnamed = async () => accounts.create({ hasIdentity: true }, CLI);
      await link((await latchkey().createAccount()).id);
      const stranded = await unnamed();
      await link(stranded.id);
      await link(stranded.id);
      const ask = await browser.get(`${HOME}/${id}/delete`);
      const told = (page: Page) => {
        const { attributes } = page.element('[data-people]');
        return [attributes['data-people'], attributes['data-stranded']];
      };
      assert.deepEqual(told(ask), ['2', '1']);
      const submit = (page: Page, fields: Record<string, string> = {}) =>
        browser.submit(page, fields, { form: form(`${id}/delete`) });
      const unsaid = await submit(ask);
      assert.deepEqual([unsaid.status, problems(unsaid)], [422, ['agreed']]);
      // Somebody came while the question was on the screen.
      await link((await unnamed()).id);
      const stale = await submit(ask, { agreed: 'on' });
      assert.equal(stale.status, 422);
      assert.deepEqual(told(stale), ['3', '2']);
      const done = await submit(stale, { agreed: 'on' });
      assert.equal(done.url.search, '?deleted', done.describe());
      assert.equal((await browser.get(`${HOME}/${id}`)).status, 404);
      assert.equal((await identities.list(stranded.id)).length, 2, 'what is linked stays');
      const { waysIn } = await latchkey().app.factors.overview(stranded.id);
      assert.equal(waysIn, 0);
      const { entries } = await latchkey().app.history.list({ targetId: id, action: 'upstream.delete' }, 9);
      assert.deepEqual(
        entries.map((one) => [one.actorId, one.reason]),
        [[account.id, 'last-way']],
      );
      // Under its id and its address they are the same people again.
      await addPartner(browser, id);
      assert.equal((await latchkey().app.factors.overview(stranded.id)).waysIn, 2);
    });

    it('is among those that an app names, jumps to, or finds by the domain of an address', async () => {
      const { browser } = await open(latchkey(), 'super-admin');
      const id = newId();
      await addPartner(browser, id, { domains: `${id}.example` });
      const named = await latchkey().createClient({ latchkey_upstreams: [id] });
      const others = await latchkey().createClient({ latchkey_upstreams: ['declared'] });
      const at = async (client: typeof named, params = {}) => {
        const person = latchkey().browser();
        return { person, page: await openSignIn(latchkey(), person, client, params) };
      };
      const [only, without] = [await at(named), await at(others)];
      assert.ok(hasButton(only.page, id) && !hasButton(only.page, 'declared'));
      assert.ok(!hasButton(without.page, id));
      const jumped = await at(named, { idp_hint: id });
      assert.equal(jumped.page.location?.origin, partner.issuer, jumped.page.describe());
      const typed = await only.person.submit(only.page, { login: `ann@${id}.example`, password: '' });
      assert.equal(typed.location?.origin, partner.issuer, typed.describe());
    });

    it('shows what an account would get, by what it is trusted with', async () => {
      const { browser } = await open(latchkey(), 'super-admin');
      const id = newId();
      const when = (page: Page): Record<string, string | undefined> =>
        Object.fromEntries(
          page.html
            .querySelectorAll('[data-claim]')
            .map((row) => [row.getAttribute('data-claim') ?? '', row.getAttribute('data-when')]),
        );
      await addPartner(browser, id, { refresh_profile: 'on' });
      const trusted = when(await browser.get(`${HOME}/${id}`));
      assert.deepEqual([trusted['subject'], trusted['email'], trusted['name']], ['key', 'verified', 'always']);
      const declared = when(await browser.get(`${HOME}/declared`));
      assert.deepEqual([declared['email'], declared['name']], ['shown', 'created']);
    });

    it('gives way to one of the settings under the same id, and says so', async () => {
      const { browser } = await open(latchkey(), 'super-admin');
      const id = newId();
      await addPartner(browser, id);
      const upstreams = [
        {
          ...{ id, kind: 'oidc', label: 'Of the file', clientId: 'file', clientSecret: 'of the file' },
          endpoints: { issuer: other.issuer },
        },
      ];
      const before = latchkey().env['LATCHKEY_CONFIG'];
      await latchkey().restart(settingsFile(JSON.stringify({ upstreams })));
      try {
        const { browser: mine } = await open(latchkey(), 'super-admin');
        const list = await mine.get(HOME);
        assert.ok(list.html.querySelector(`[data-upstream=overridden-${id}]`), list.describe());
        assert.equal(list.html.querySelectorAll(form(`${id}/test`)).length, 1);
        const { browser: person, page } = await loginPage();
        assert.equal((await press(person, page, id)).location?.origin, other.issuer);
        const gone = await mine.submit(await mine.get(`${HOME}/${id}/delete`), {}, { form: form(`${id}/delete`) });
        assert.equal(gone.url.search, '?deleted', gone.describe());
        assert.equal((await mine.get(`${HOME}/${id}`)).element('h1').text, 'Of the file');
      } finally {
        await latchkey().restart({ LATCHKEY_CONFIG: before });
      }
    });
  },
  { env: { ...stage.env, LATCHKEY_LIMITS_OFF: 'true' } },
);
