// `npm run demo` as a newcomer meets it: one command, then a person goes from the app to the provider and back, refreshes and signs out.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';
import { Browser } from '../support/browser-client.ts';
import { freePort } from '../support/free-port.ts';
import { temporaryFolder, until, watch } from '../support/process.ts';

const DEMO = join(import.meta.dirname, '..', '..', 'examples', 'demo', 'main.ts');

it('the demo shows tokens, claims, refresh, userinfo and sign-out', async () => {
  const [port, demoPort] = [await freePort(), await freePort()];
  const env = {
    PATH: process.env['PATH'],
    LATCHKEY_PORT: String(port),
    LATCHKEY_INTERNAL_PORT: '0',
    LATCHKEY_DATA_DIR: temporaryFolder(),
    DEMO_PORT: String(demoPort),
  };
  const { child, output, finished } = watch(spawn(process.execPath, [DEMO], { env, stdio: 'pipe' }));
  await until(() => {
    assert.equal(child.exitCode, null, output.stderr);
    return /Ctrl\+C/.test(output.stdout);
  }, 'the demo to be ready');
  const [, origin = ''] = /The demo is ready: (\S+)/.exec(output.stdout) ?? [];
  const [, login = ''] = /Sign in as +(\S+)/.exec(output.stdout) ?? [];
  const [, password = ''] = /Password +(\S.*)/.exec(output.stdout) ?? [];
  assert.equal(origin, `http://localhost:${demoPort}`);
  assert.ok(password.length >= 12, 'a password that nobody can guess');

  const app = new Browser(origin);
  const person = new Browser(`http://localhost:${port}`);
  const welcome = await app.get('/');
  assert.match(welcome.text, /not signed in/);
  const toProvider = await app.get(welcome.element('a[href="/sign-in"]').getAttribute('href') ?? '');
  assert.equal(toProvider.location?.origin, `http://localhost:${port}`);
  const page = await person.get(toProvider.location);
  assert.equal(page.id, 'login', page.describe());
  const consent = await person.submit(page, { login, password });
  assert.equal(consent.id, 'consent', consent.describe());
  const back = await person.submit(consent, {}, { button: ['decision', 'allow'] });
  assert.equal(back.location?.origin, origin, back.describe());

  const home = await app.get(back.location);
  assert.equal(home.status, 200);
  const shown = home.element('main').textContent;
  for (const text of ['sub', 'auth_time', 'access_token', 'refresh_token', 'id_token', `http://localhost:${port}`]) {
    assert.ok(shown.includes(text), text);
  }
  const before = /"access_token": "([\w-]+)"/.exec(shown)?.[1];
  const refreshed = await app.submit(home, {}, { form: 'form[action="/refresh"]' });
  assert.match(refreshed.text, /refreshed/);
  const after = /"access_token": "([\w-]+)"/.exec(refreshed.element('main').textContent)?.[1];
  assert.ok(before && after && before !== after);
  const info = await app.submit(refreshed, {}, { form: 'form[action="/userinfo"]' });
  assert.match(info.text, /Ada Lovelace/);
  assert.ok(info.text.includes(login));

  const foreign = await app.post('/sign-out', '', { origin: 'https://evil.example' });
  assert.equal(foreign.status, 403);
  const leaving = await app.submit(info, {}, { form: 'form[action="/sign-out"]' });
  assert.equal(leaving.location?.pathname, '/session/end');
  const question = await person.get(leaving.location);
  assert.equal(question.id, 'logout', question.describe());
  const goodbye = await person.submit(question, {}, { button: ['decision', 'allow'] });
  assert.equal(goodbye.location?.href, `${origin}/`, goodbye.describe());
  assert.match((await app.get('/')).text, /not signed in/);
  assert.equal((await person.get(toProvider.location)).id, 'login', 'a new sign-in asks again');

  // What a person is asked to go back from is told to them, not to the console.
  const refused = await app.get(`/callback?error=access_denied&state=x`);
  assert.equal(refused.status, 200);
  child.kill('SIGINT');
  const ended = await finished;
  assert.equal(ended.code, 0, ended.stderr);
  assert.doesNotMatch(ended.stdout + ended.stderr, /NOTICE|WARNING|Deprecat/);
});
