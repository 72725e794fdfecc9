// Each notice in each language, as a message in a chat and as the mail that takes its place: whole sentences, our own address alone, nothing secret.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createLocales } from '../../src/http/locale.ts';
import { createFindPlace } from '../../src/http/place.ts';
import { MailTemplates } from '../../src/notification/mail-templates.ts';
import type { Notice, NoticeModel } from '../../src/notification/message.ts';
import { noticeText } from '../../src/notification/notice-text.ts';
import { NOTICES } from '../../src/notification/notice-words.ts';
import { placeDatabase, SOME_PLACES, writePlaceFile } from '../support/place-database.ts';

const ISSUER = 'https://id.example.com';
const PATH = `/not-me/${'C'.repeat(43)}`;
/** Characters that one message of a chat holds. */
const MOST = 4096;
const locales = createLocales();
const file = writePlaceFile(placeDatabase(SOME_PLACES));
const findPlace = createFindPlace(file.path, locales);
file.remove();
const mails = new MailTemplates({ locales, issuer: ISSUER, productName: 'Keys & Co', findPlace });
const parts = { locales, issuer: ISSUER, productName: () => 'Keys & Co', findPlace };
const createdAt = Date.UTC(2026, 10, 21, 12, 30);

function model(what: Notice): NoticeModel {
  return {
    ...{ what, path: PATH, factor: 'passkey', name: 'https://evil.example/ key', phone: '+1 ••• 01 23', remaining: 3 },
    deletionAt: new Date(createdAt).toISOString(),
    asked: { browser: 'Firefox', system: 'Linux', network: '81.2.69.7' },
  };
}

for (const what of Object.keys(NOTICES) as Notice[]) {
  for (const { tag } of locales.available) {
    it(`${what} in ${tag}`, () => {
      const content = { model: model(what), zone: 'Europe/Berlin' };
      const { text, button } = noticeText(parts, { locale: tag, createdAt }, content);
      assert.equal(button.url, ISSUER + PATH);
      assert.ok(button.label.length > 3 && button.label.length < 60, button.label);
      assert.ok(text.length < MOST);
      assert.doesNotMatch(text, /\{\{|\}\}|undefined|\b(?:mail|bot)\.[a-z_]+\./, text);
      assert.doesNotMatch(text, /https?:|evil\.example|CCCC/, 'the address is in the button alone');
      assert.ok(text.includes('Keys & Co'), 'plain text is not escaped');
      assert.ok(text.includes('Firefox') && text.includes('+1 ••• 01 23'));
      assert.ok(text.includes(locales.t(tag)('mail.time')));
      const mail = mails.render(
        { kind: 'notice', locale: tag, createdAt },
        { ...content, validUntil: new Date().toISOString() },
      );
      assert.equal(mail.subject, text.split('\n')[0]);
      assert.ok(mail.text.includes(ISSUER + PATH));
      assert.doesNotMatch(mail.text, /\{\{|\}\}|undefined|\b(?:mail|bot)\.[a-z_]+\./, mail.text);
    });
  }
}

it('tells when it happened, in the zone of the account, also when the mail comes later', () => {
  const at = new Date(createdAt).toISOString();
  const told = (zone: string | null, late: number) =>
    noticeText(parts, { locale: 'en', createdAt: late }, { model: { ...model('new-device'), at }, zone }).text;
  assert.match(told('Europe/Berlin', createdAt + 3_600_000), /Time: November 21, 2026 at 1:30 PM GMT\+1/);
  assert.match(told(null, createdAt), /Time: November 21, 2026 at 12:30 PM UTC/);
  assert.match(told('Nowhere/Nothing', createdAt), /12:30 PM UTC/);
});

it('tells roughly where it was asked, in the language of its reader', () => {
  const told = (locale: string, network: string | null) => {
    const asked = { browser: 'Firefox', system: 'Linux', network };
    return noticeText(parts, { locale, createdAt }, { model: { ...model('new-device'), asked }, zone: null }).text;
  };
  assert.match(told('en', '2a02:6b8:0:1::/64'), /^Place, roughly: Almaty, Kazakhstan$/m);
  assert.match(told('ru', '2a02:6b8:0:1::/64'), /: Алматы, Казахстан$/m);
  for (const network of [null, '192.0.2.7', '127.0.0.1']) assert.doesNotMatch(told('en', network), /Place, roughly/);
});

it('of before there were networks in messages says no place', () => {
  const asked = JSON.parse('{ "browser": "Firefox", "system": "Linux", "place": null }') as NoticeModel['asked'];
  const content = { model: { ...model('new-device'), asked }, zone: null };
  assert.doesNotMatch(noticeText(parts, { locale: 'en', createdAt }, content).text, /Place, roughly|undefined/);
});
