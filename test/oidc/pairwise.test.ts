import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Seal, SealError } from '../../src/crypto/seal.ts';
import { loadPairwiseSalt, pairwiseSubject } from '../../src/oidc/pairwise.ts';
import { seal } from '../support/credentials.ts';
import { describeOnEachDatabase } from '../support/database.ts';

describeOnEachDatabase('the salt of pairwise subjects', (database) => {
  it('is one, also when many processes look for it at the same moment', async () => {
    const load = () => loadPairwiseSalt({ database: database(), seal });
    const salts = await Promise.all(Array.from({ length: 8 }, load));
    assert.equal(new Set(salts).size, 1);
    assert.equal(await load(), salts[0]);
    const { rows } = await database().sql.query<{ text: string }>({
      name: '',
      text: `select s::text as text from sealed_secret s where purpose = 'pairwise-salt'`,
    });
    assert.equal(rows.length, 1);
    assert.ok(!rows[0]?.text.includes(Buffer.from(salts[0] ?? '').toString('hex')));
  });

  it('is not replaced when it cannot be opened: that would change every subject', async () => {
    await loadPairwiseSalt({ database: database(), seal });
    const stranger = new Seal('another master secret that is long enough too');
    await assert.rejects(loadPairwiseSalt({ database: database(), seal: stranger }), SealError);
  });
});

it('a pairwise subject depends on salt, sector and account, and on nothing else', () => {
  const subject = pairwiseSubject('salt', 'a.example', 'account');
  assert.match(subject, /^[\w-]{43}$/);
  assert.equal(pairwiseSubject('salt', 'a.example', 'account'), subject);
  const others = [
    pairwiseSubject('other', 'a.example', 'account'),
    pairwiseSubject('salt', 'b.example', 'account'),
    pairwiseSubject('salt', 'a.example', 'other'),
    // Parts that run together elsewhere stay apart.
    pairwiseSubject('salt', 'a.examplea', 'ccount'),
  ];
  assert.equal(new Set([subject, ...others]).size, 5);
});
