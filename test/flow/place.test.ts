// Where somebody signed in from, roughly: what the owner of an account, administrators and mails are told when there is a database of places, each
// in the language of the reader, and that nothing is told without one.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AccountRow } from '../../src/account/accounts.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { type Mailbox, startMailbox } from '../support/mailbox.ts';
import { placeDatabase, SOME_PLACES, writePlaceFile } from '../support/place-database.ts';
import { answerPrompts, signIn } from '../support/relying-party.ts';
import { type Latchkey, startLatchkey } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HAMBURG = '81.2.69.7';
const ALMATY = '2a02:6b8:0:7::25';
const PLACE = /Hamburg|Germany|Almaty|Kazakhstan|Place, roughly/;

describe('the place of a sign-in', () => {
  const file = writePlaceFile(placeDatabase(SOME_PLACES));
  let mailbox: Mailbox;
  let latchkey: Latchkey;

  before(async () => {
    mailbox = await startMailbox();
    latchkey = await startLatchkey({
      env: {
        LATCHKEY_PLACE_DATABASE: file.path,
        LATCHKEY_TRUSTED_PROXIES: '1',
        LATCHKEY_SMTP_URL: mailbox.url,
        LATCHKEY_MAIL_FROM: 'no-reply@id.example.com',
      },
    });
  });
  after(async () => {
    await latchkey.stop();
    await mailbox.stop();
    file.remove();
  });

  function browserAt(address: string, language = 'en'): Browser {
    return latchkey.browser({ headers: { 'x-forwarded-for': address, 'accept-language': language } });
  }

  /** Twice: from Hamburg, and from a new device in Almaty. */
  async function signedIn(account: AccountRow): Promise<readonly Browser[]> {
    const browsers = [browserAt(HAMBURG), browserAt(ALMATY, 'ru')];
    for (const browser of browsers) await signIn(latchkey, browser, await latchkey.createClient(), { account });
    return browsers;
  }

  async function open(browser: Browser, path: string, account: AccountRow): Promise<Page> {
    const page = await answerPrompts(browser, await browser.get(path), { account });
    assert.equal(page.status, 200, page.describe());
    return page;
  }

  const factsOf = (page: Page): readonly string[] =>
    page.html.querySelectorAll('.session').map((one) => one.text.replace(/\s+/gu, ' '));

  it('stands among the sessions, in the language of the reader', async () => {
    const account = await latchkey.createAccount();
    const [here, there] = await signedIn(account);
    assert.ok(here && there);
    const [first = '', second = ''] = factsOf(await open(here, '/account/sessions', account));
    assert.match(first, /81\.2\.69\.7 Place, roughlyHamburg, Germany /);
    assert.match(second, /Place, roughlyAlmaty, Kazakhstan /);
    const [own = '', other = ''] = factsOf(await open(there, '/account/sessions', account));
    assert.match(own, /Место \(примерно\)Алматы, Казахстан /);
    assert.match(other, /Место \(примерно\)Гамбург, Германия /);
  });

  it('stands beside the events of an account, for its owner and for administrators', async () => {
    const account = await latchkey.createAccount();
    const [here] = await signedIn(account);
    assert.ok(here);
    const activity = factsOf(await open(here, '/account/activity', account));
    assert.ok(activity.some((one) => one.includes('Hamburg, Germany')));
    assert.ok(activity.some((one) => one.includes('Almaty, Kazakhstan')));
    const administrator = await latchkey.createAccount();
    await latchkey.app.database.transaction((em) => latchkey.app.roles.assign(em, administrator.id, 'admin', CLI));
    const desk = browserAt('192.0.2.1');
    const sessions = await open(desk, `/admin/accounts/${account.id}/sessions`, administrator);
    const rows = sessions.html.querySelectorAll('[data-session]').map((row) => row.text);
    assert.equal(rows.length, 2, sessions.describe());
    assert.ok(
      rows.some((row) => row.includes('Hamburg, Germany')) && rows.some((row) => row.includes('Almaty, Kazakhstan')),
    );
    for (const path of [`/admin/accounts/${account.id}/events`, '/admin/audit'])
      assert.match((await desk.get(path)).text, /Hamburg, Germany/, path);
  });

  it('is in the mail about a new device, in the language of the account', async () => {
    const account = await latchkey.createAccount();
    await latchkey.app.database.sql.query(
      { name: 'test_locale', text: 'update account set locale = $1 where id = $2' },
      ['en', account.id],
    );
    latchkey.app.accounts.forgetRecent();
    const count = mailbox.mails.length;
    await signedIn(account);
    const mail = (await mailbox.arrived(count + 1)).at(-1);
    assert.match(mail?.email.text ?? '', /^Place, roughly: Almaty, Kazakhstan$/m);
    assert.doesNotMatch(mail?.email.text ?? '', /2a02/, 'the network is not told');
    assert.match(mail?.email.html ?? '', /Almaty, Kazakhstan/);
  });

  it('is read at start only, and told nowhere without a database', async () => {
    const account = await latchkey.createAccount();
    const [here] = await signedIn(account);
    assert.ok(here);
    file.remove();
    assert.match((await open(here, '/account/sessions', account)).text, /Hamburg, Germany/);
    await latchkey.restart({ LATCHKEY_PLACE_DATABASE: undefined });
    for (const path of ['/account/sessions', '/account/activity', '/account/security']) {
      const page = await open(here, path, account);
      assert.match(page.text, /81\.2\.69\.7/, path);
      assert.doesNotMatch(page.text, PLACE, path);
    }
  });
});
