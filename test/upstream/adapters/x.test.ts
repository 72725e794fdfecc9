// What the table of all adapters cannot say of X: errors in the place of people, and no address ever.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { startOauth2Upstream } from '../../support/oauth2-upstream.ts';

const x = await startOauth2Upstream('x');
after(() => x.upstream.close());
beforeEach(() => x.upstream.reset());

const ME = '/2/users/me';
const PERSON = { id: '2244994945', name: 'Ann', username: 'ann_x' };

for (const [what, status, body] of [
  ['errors instead of data', 200, { errors: [{ title: 'Not Found Error', detail: 'Could not find user' }] }],
  ['a list of people', 200, { data: [PERSON] }],
  ['a person without wrapping', 200, PERSON],
  ['a plan that does not allow it', 403, { title: 'Forbidden', reason: 'client-not-enrolled', status: 403 }],
  ['a limit that was reached', 429, { title: 'Too Many Requests', status: 429 }],
] as const) {
  test(`an answer with ${what} is nobody`, async () => {
    x.says(ME, body, status);
    await assert.rejects(x.signIn(), { step: 'profile' });
  });
}

test('an address is never taken, whatever X says of it', async () => {
  x.says(ME, { data: { ...PERSON, email: 'ann@example.com', confirmed_email: 'ann@example.com', verified: true } });
  const { subject, email, emailVerified } = await x.signIn();
  assert.deepEqual([subject, email, emailVerified], [PERSON.id, null, false]);
});

test('an id beyond what a number holds exactly is nobody, and as text it is kept digit by digit', async () => {
  x.says(ME, { data: { ...PERSON, id: 2 ** 60 } });
  await assert.rejects(x.signIn(), { step: 'profile' });
  x.says(ME, { data: { ...PERSON, id: '1460323737035677698' } });
  assert.equal((await x.signIn()).subject, '1460323737035677698');
});
