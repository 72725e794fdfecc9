// What the table of all adapters cannot say of Discord: people without an address, without a picture, and of the old kind of names.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { startOauth2Upstream } from '../../support/oauth2-upstream.ts';

const discord = await startOauth2Upstream('discord');
after(() => discord.upstream.close());
beforeEach(() => discord.upstream.reset());

const PERSON = { id: '80351110224678912', username: 'ann', discriminator: '0', global_name: 'Ann', verified: true };

for (const [what, change] of [
  ['no address', {}],
  ['an address that is null', { email: null }],
  ['an address that is none', { email: 'ann' }],
] as const) {
  test(`who has ${what} signs in, and nothing is verified`, async () => {
    discord.says('/users/@me', { ...PERSON, ...change });
    const { subject, email, emailVerified } = await discord.signIn();
    assert.deepEqual([subject, email, emailVerified], [PERSON.id, null, false]);
  });
}

test('who has no display name is called by the name of the account', async () => {
  discord.says('/users/@me', { ...PERSON, global_name: null, discriminator: '1337' });
  const { name, username } = await discord.signIn();
  assert.deepEqual([name, username], ['ann', 'ann']);
});

for (const avatar of [null, '../../evil', 'a/b', '', 7, 'x'.repeat(65)]) {
  test(`an avatar that is ${JSON.stringify(avatar).slice(0, 20)} is no picture`, async () => {
    discord.says('/users/@me', { ...PERSON, avatar });
    assert.equal((await discord.signIn()).picture, null);
  });
}

test('an avatar that moves is shown standing still', async () => {
  discord.says('/users/@me', { ...PERSON, avatar: 'a_1269e74af4df7417b13759eae50c83dc' });
  const { picture } = await discord.signIn();
  assert.equal(picture, `https://cdn.discordapp.com/avatars/${PERSON.id}/a_1269e74af4df7417b13759eae50c83dc.png`);
});
