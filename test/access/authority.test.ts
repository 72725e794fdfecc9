import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Authority, requirePermission, requireRank, requireRoleRank } from '../../src/access/authority.ts';
import { BUILT_IN_ROLES, PERMISSIONS, withInherited } from '../../src/access/permission.ts';
import { rankOf } from '../../src/access/roles.ts';
import { AppError } from '../../src/errors.ts';

const all = new Map(BUILT_IN_ROLES.map((role) => [role.id, role]));

function authorityOf(...roles: readonly string[]): Authority {
  const held = withInherited(roles, all);
  return {
    accountId: 'me',
    rank: Math.max(0, ...held.map((role) => role.rank)),
    permissions: new Set(held.flatMap((role) => role.permissions)) as Authority['permissions'],
  };
}

const refused = (code: string, status: number) => (error: unknown) =>
  error instanceof AppError && error.code === code && error.status === status;

describe('the built-in roles', () => {
  it('add up to 4, 7, 12, 17 and 22 permissions, the highest having all of them', () => {
    assert.deepEqual(
      BUILT_IN_ROLES.map((role) => authorityOf(role.id).permissions.size),
      [4, 7, 12, 17, 22],
    );
    assert.equal(new Set(PERMISSIONS).size, 22);
    assert.deepEqual([...authorityOf('super-admin').permissions].toSorted(), [...PERMISSIONS].toSorted());
  });

  it('have the rank that their permissions need', () => {
    for (const role of BUILT_IN_ROLES) assert.equal(rankOf(role.permissions), role.rank, role.id);
  });
});

describe('a permission', () => {
  it('is needed, and who administers nothing is not even told so', () => {
    requirePermission(authorityOf('viewer'), 'accounts:read');
    assert.throws(
      () => requirePermission(authorityOf('viewer'), 'accounts:delete'),
      refused('permission-missing', 403),
    );
    assert.throws(() => requirePermission(authorityOf(), 'accounts:read'), refused('not-found', 404));
  });
});

describe('the rank rule', () => {
  it('lets nobody act on an account above the own rank', () => {
    requireRank(authorityOf('support'), authorityOf('support'));
    requireRank(authorityOf('support'), authorityOf());
    assert.throws(() => requireRank(authorityOf('support'), authorityOf('operator')), refused('rank', 403));
  });

  it('lets nobody give a role above the own rank, or with what the giver may not', () => {
    const owner = authorityOf('super-admin');
    for (const role of BUILT_IN_ROLES) requireRoleRank(owner, role, [...authorityOf(role.id).permissions]);
    assert.throws(
      () => requireRoleRank(authorityOf('admin'), { rank: 1, audience: null }, []),
      refused('permission-missing', 403),
    );
    const giver: Authority = { ...authorityOf('support'), permissions: new Set(['admins:write', 'accounts:read']) };
    requireRoleRank(giver, { rank: 2, audience: null }, ['accounts:read']);
    assert.throws(() => requireRoleRank(giver, { rank: 3, audience: null }, []), refused('rank', 403));
    assert.throws(
      () => requireRoleRank(giver, { rank: 2, audience: null }, ['sessions:revoke']),
      refused('permission-missing', 403),
    );
  });

  it('gives roles of an API to who may change accounts, whatever they permit there', () => {
    const api = { rank: 0, audience: 'https://api.example.com' };
    requireRoleRank(authorityOf('operator'), api, ['orders:refund', 'admins:write']);
    assert.throws(() => requireRoleRank(authorityOf('support'), api, []), refused('permission-missing', 403));
  });
});
