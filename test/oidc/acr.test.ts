import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reaches, requestedAcr, statedAcr } from '../../src/oidc/acr.ts';

const AAL1 = 'urn:latchkey:aal1';
const AAL2 = 'urn:latchkey:aal2';
const PHR = 'urn:latchkey:phr';

function acrClaim(acr: unknown): string {
  return JSON.stringify({ id_token: { acr } });
}

describe('a level', () => {
  it('is reached by itself and by every stronger one', () => {
    const reached = [AAL1, AAL2, PHR].map((have) => [AAL1, AAL2, PHR].map((want) => reaches(have, want)));
    assert.deepEqual(reached, [
      [true, false, false],
      [true, true, false],
      [true, true, true],
    ]);
  });

  it('that nobody knows is never reached, and reaches nothing', () => {
    for (const level of ['', '0', 'urn:latchkey:aal3', 'constructor']) {
      assert.equal(reaches(PHR, level), false, level);
      assert.equal(reaches(level, AAL1), false, level);
    }
    assert.equal(reaches(undefined, AAL1), false);
  });
});

describe('what a request asks for', () => {
  it('is what acr_values lists, and nobody insists on it', () => {
    assert.deepEqual(requestedAcr({ acr_values: `${PHR} ${AAL2}` }), { values: [PHR, AAL2], isEssential: false });
  });

  it('is nothing without either parameter', () => {
    for (const params of [
      {},
      { acr_values: '' },
      { claims: '{"userinfo":{"name":null}}' },
      { claims: acrClaim(null) },
    ]) {
      assert.equal(requestedAcr(params), undefined);
    }
  });

  it('is essential only where the claim says so and names values', () => {
    assert.deepEqual(requestedAcr({ claims: acrClaim({ essential: true, value: PHR }) }), {
      values: [PHR],
      isEssential: true,
    });
    assert.deepEqual(requestedAcr({ claims: acrClaim({ essential: true, values: [AAL2, PHR] }) }), {
      values: [AAL2, PHR],
      isEssential: true,
    });
    assert.deepEqual(requestedAcr({ claims: acrClaim({ values: [AAL2] }) }), { values: [AAL2], isEssential: false });
    assert.equal(requestedAcr({ claims: acrClaim({ essential: true }) }), undefined);
  });

  it('stays essential beside acr_values, which may be a registered default', () => {
    const claims = acrClaim({ essential: true, value: PHR });
    assert.deepEqual(requestedAcr({ claims, acr_values: AAL1 }), { values: [PHR], isEssential: true });
  });

  it('is nothing in claims that are no JSON or of another shape', () => {
    for (const claims of ['{', 'null', '7', '[]', '{"id_token":7}', acrClaim('x'), acrClaim({ values: 'x' })]) {
      assert.equal(requestedAcr({ claims }), undefined, claims);
    }
  });
});

describe('what a token says', () => {
  it('is the strongest level asked for that the sign-in reaches', () => {
    assert.equal(statedAcr(PHR, { values: [AAL1, AAL2], isEssential: false }), AAL2);
    assert.equal(statedAcr(AAL2, { values: [AAL2, AAL1], isEssential: false }), AAL2);
    assert.equal(statedAcr(AAL2, { values: [PHR, AAL1], isEssential: false }), AAL1);
  });

  it('is what the sign-in is where nothing asked for is reached, or nothing was asked', () => {
    assert.equal(statedAcr(AAL1, { values: [AAL2, PHR], isEssential: false }), AAL1);
    assert.equal(statedAcr(AAL1, { values: ['0'], isEssential: false }), AAL1);
    assert.equal(statedAcr(PHR, undefined), PHR);
    assert.equal(statedAcr(undefined, undefined), undefined);
  });
});
