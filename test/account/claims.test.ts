import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccountRow } from '../../src/account/accounts.ts';
import { CLAIMS_BY_SCOPE, standardClaims } from '../../src/account/claims.ts';

const EMPTY: AccountRow = {
  id: '00000000-0000-4000-8000-000000000000',
  subject: 'subject-1',
  status: 'active',
  email: null,
  emailVerified: false,
  username: null,
  name: null,
  givenName: null,
  middleName: null,
  familyName: null,
  nickname: null,
  profile: null,
  picture: null,
  website: null,
  gender: null,
  birthdate: null,
  zoneinfo: null,
  locale: null,
  theme: null,
  phoneNumber: null,
  phoneNumberVerified: false,
  address: null,
  updatedAt: 1_700_000_000,
  credentialVersion: 1,
  signedOutAt: null,
  termsVersion: null,
};
const FULL: AccountRow = {
  ...EMPTY,
  email: 'ann@example.com',
  emailVerified: true,
  username: 'ann',
  name: 'Ann Lee',
  givenName: 'Ann',
  middleName: 'May',
  familyName: 'Lee',
  nickname: 'annie',
  profile: 'https://ann.example/about',
  picture: 'https://ann.example/me.png',
  website: 'https://ann.example',
  gender: 'female',
  birthdate: '1990-01-02',
  zoneinfo: 'Europe/Berlin',
  locale: 'de',
  phoneNumber: '+4930123456',
  phoneNumberVerified: true,
  address: { formatted: 'Street 1\n10115 Berlin', country: 'DE' },
};

describe('the claims of an account', () => {
  it('are every standard claim of every scope when everything is filled in', () => {
    const wanted = [...new Set(Object.values(CLAIMS_BY_SCOPE).flat())].toSorted();
    // These tell of the sign-in and come from the engine.
    const ofTheSignIn = ['acr', 'amr', 'auth_time'];
    const ofTheRoles = ['roles', 'permissions', 'org_id', 'organizations'];
    assert.deepEqual([...Object.keys(standardClaims(FULL)), ...ofTheSignIn, ...ofTheRoles].toSorted(), wanted);
  });

  it('leave out what has no value', () => {
    assert.deepEqual(standardClaims(EMPTY), { sub: 'subject-1', updated_at: 1_700_000_000 });
  });

  it('say of an address and of a phone whether they were proven, as booleans', () => {
    assert.equal(standardClaims(FULL)['email_verified'], true);
    assert.equal(standardClaims({ ...FULL, emailVerified: false })['email_verified'], false);
    assert.equal(standardClaims({ ...FULL, phoneNumberVerified: false })['phone_number_verified'], false);
  });

  it('prefer the username, and name the address where there is none', () => {
    assert.equal(standardClaims(FULL)['preferred_username'], 'ann');
    assert.equal(standardClaims({ ...FULL, username: null })['preferred_username'], 'ann@example.com');
  });

  it('carry the subject and no internal id, state or credential version', () => {
    const claims = standardClaims(FULL);
    assert.equal(claims.sub, 'subject-1');
    assert.doesNotMatch(JSON.stringify(claims), /00000000-0000|active|credential/);
  });
});
