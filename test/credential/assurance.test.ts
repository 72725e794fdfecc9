import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Acr, assuranceOf, type Proof, satisfies, shownAcr } from '../../src/credential/assurance.ts';

const [AAL1, AAL2, PHR] = ['urn:latchkey:aal1', 'urn:latchkey:aal2', 'urn:latchkey:phr'] as const;

const password: Proof = { method: 'password' };
const totp: Proof = { method: 'totp' };
const recovery: Proof = { method: 'recovery-code' };
const mail: Proof = { method: 'mail' };
const phone: Proof = { method: 'phone' };
const telegram: Proof = { method: 'telegram' };
const device: Proof = { method: 'trusted-device' };
const synced: Proof = { method: 'passkey', isUserVerified: true, deviceType: 'multiDevice' };
const securityKey: Proof = { method: 'passkey', isUserVerified: false, deviceType: 'singleDevice' };
const upstream: Proof = { method: 'upstream', isTrustedForSecondFactor: false };
const trustedUpstream: Proof = { method: 'upstream', isTrustedForSecondFactor: true };

describe('what a sign-in is worth', () => {
  const table: readonly (readonly [string, readonly Proof[], Acr, readonly string[]])[] = [
    ['a password', [password], AAL1, ['pwd']],
    ['a mailed code', [mail], AAL1, ['otp']],
    ['a phone code', [phone], AAL1, ['otp', 'tg']],
    ['an upstream', [upstream], AAL1, []],
    ['Telegram', [telegram], AAL1, ['tg']],
    ['a security key alone', [securityKey], AAL1, ['hwk', 'user']],
    ['password and authenticator', [password, totp], AAL2, ['pwd', 'otp', 'mfa']],
    ['password and recovery code', [password, recovery], AAL2, ['pwd', 'otp', 'mfa']],
    ['password and security key', [password, securityKey], AAL2, ['pwd', 'hwk', 'user', 'mfa']],
    ['password and Telegram', [password, telegram], AAL2, ['pwd', 'tg', 'mfa']],
    ['mail and authenticator', [mail, totp], AAL2, ['otp', 'mfa']],
    ['upstream and authenticator', [upstream, totp], AAL2, ['otp', 'mfa']],
    ['a trusted upstream', [trustedUpstream], AAL2, ['mfa']],
    ['password on a trusted device', [password, device], AAL2, ['pwd']],
    ['a verified passkey', [synced], PHR, ['swk', 'user', 'mfa']],
    ['password and verified passkey', [password, synced], PHR, ['pwd', 'swk', 'user', 'mfa']],
  ];
  for (const [name, proofs, acr, amr] of table) {
    it(`${name}: ${acr.split(':').at(-1)}`, () => {
      assert.deepEqual(assuranceOf(proofs), { acr, amr });
      assert.equal(assuranceOf(proofs.toReversed()).acr, acr, 'in any order');
    });
  }

  it('never grows by a second thing that is not independent, or that never counts as second', () => {
    const pairs = [
      [password, mail],
      [password, phone],
      [mail, phone],
      [telegram, phone],
      [telegram, telegram],
      [totp, recovery],
    ];
    for (const proofs of [
      ...pairs,
      [password, password],
      [device],
      [totp],
      [totp, totp],
      [upstream, mail],
      [securityKey, securityKey],
    ]) {
      const { acr, amr } = assuranceOf(proofs);
      assert.equal(acr, AAL1, proofs.map((one) => one.method).join(' + '));
      assert.equal(amr.includes('mfa'), false);
    }
  });

  it('is phishing-resistant only by a passkey that verified its person', () => {
    const others = [password, totp, recovery, mail, phone, telegram, device, securityKey, upstream, trustedUpstream];
    assert.notEqual(assuranceOf(others).acr, PHR);
    assert.equal(assuranceOf([...others, synced]).acr, PHR);
  });
});

describe('a level', () => {
  it('is enough where a weaker one is asked for', () => {
    const levels = [AAL1, AAL2, PHR];
    for (const [has, one] of levels.entries()) {
      for (const [needs, other] of levels.entries()) assert.equal(satisfies(one, other), has >= needs);
    }
  });
});

describe('what was really shown', () => {
  it('is no second factor where it rested on a trusted browser', () => {
    const { acr, amr } = assuranceOf([password, device]);
    assert.equal(acr, AAL2);
    assert.equal(shownAcr(acr, amr), AAL1);
  });

  it('is the level itself for everything else, and the weakest for what is not known', () => {
    for (const proofs of [[password], [password, totp], [synced], [trustedUpstream], [mail, securityKey]]) {
      const { acr, amr } = assuranceOf(proofs);
      assert.equal(shownAcr(acr, amr), acr, proofs.map((one) => one.method).join(' + '));
    }
    assert.equal(shownAcr(undefined, undefined), AAL1);
    assert.equal(shownAcr('urn:example:gold', ['mfa']), AAL1);
  });
});
