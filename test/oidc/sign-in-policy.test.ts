import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Organizations } from '../../src/access/organizations.ts';
import type { Roles } from '../../src/access/roles.ts';
import type { Clients } from '../../src/client/clients.ts';
import { SignInPolicy } from '../../src/oidc/sign-in-policy.ts';

const [AAL1, AAL2, PHR] = ['urn:latchkey:aal1', 'urn:latchkey:aal2', 'urn:latchkey:phr'] as const;

/** What the policy asks of the rooms below it: an account `admin` with that role, and apps that demand what they are called. */
function policy(isRequired: boolean, roles: readonly string[] = []): SignInPolicy {
  return new SignInPolicy({
    settings: { secondFactorRequired: isRequired, secondFactorRoles: roles },
    roles: { holdsAnyOf: async (id: string, wanted: readonly string[]) => wanted.includes(id) } as unknown as Roles,
    organizations: { requiresSecondFactor: async (id: string) => id === 'acme' } as unknown as Organizations,
    clients: {
      find: async (id: string) => (id.startsWith('urn:') ? { metadata: { latchkey_required_acr: id } } : null),
    } as unknown as Clients,
  });
}

describe('the sign-in policy', () => {
  it('demands the strongest of what deployment, role and app demand', async () => {
    for (const [isRequired, roles, account, client, expected] of [
      [false, [], 'anna', 'app', AAL1],
      [true, [], 'anna', 'app', AAL2],
      [true, [], 'anna', AAL2, AAL2],
      [true, [], 'anna', PHR, PHR],
      [false, [], 'acme', 'app', AAL2],
      [false, ['admin'], 'anna', 'app', AAL1],
      [false, ['admin'], 'admin', 'app', AAL2],
      [false, ['admin'], 'anna', AAL2, AAL2],
      [false, [], 'admin', PHR, PHR],
    ] as const) {
      const what = [isRequired, roles, account, client].join(' ');
      assert.equal(await policy(isRequired, roles).requiredAcr(account, client), expected, what);
    }
  });

  it('keeps the last second factor of those whom deployment or role demand it of, whatever app they use', async () => {
    assert.equal(await policy(true).needsSecondFactor('anna'), true);
    assert.equal(await policy(false, ['admin']).needsSecondFactor('admin'), true);
    assert.equal(await policy(false, ['admin']).needsSecondFactor('anna'), false);
    assert.equal(await policy(false).needsSecondFactor('anna'), false);
  });
});
