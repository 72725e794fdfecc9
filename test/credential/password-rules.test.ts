import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PasswordSettings } from '../../src/credential/password.ts';
import { Passwords } from '../../src/credential/password.ts';
import { passwordRules } from '../../src/credential/password-rules.ts';
import type { Database } from '../../src/storage/database.ts';

const SETTINGS: PasswordSettings = {
  ...{ policy: 'length', minLength: 12, maxLength: 256 },
  ...{ hashMemoryKib: 19_456, hashIterations: 2, hashParallelism: 1, hashConcurrency: 1, hashQueue: 1 },
};

/** The state of each rule by its key, for a password that was sent. */
function states(policy: Partial<PasswordSettings>, password?: string, email = 'ada@example.com') {
  const passwords = new Passwords({ database: null as unknown as Database, settings: { ...SETTINGS, ...policy } });
  const typed = password === undefined ? undefined : { password, context: { email } };
  const rules = passwordRules(passwords, (key) => key, typed);
  return {
    states: Object.fromEntries(rules.filter(({ key }) => key !== 'strength').map(({ key, state }) => [key, state])),
    strength: rules.find(({ key }) => key === 'strength')?.text,
    problem: password === undefined ? null : passwords.findProblem(password, { email }),
  };
}

describe('the rules beside the field for a new password', () => {
  it('are open before anything was sent, and name what the policy asks for', () => {
    assert.deepEqual(states({}).states, { length: 'open', uncommon: 'open' });
    assert.equal(states({}).strength, undefined);
    const strict = { length: 'open', kinds: 'open', uncommon: 'open' };
    for (const policy of ['strict', 'classic'] as const) assert.deepEqual(states({ policy }).states, strict);
  });

  it('are all met exactly where the server takes the password', () => {
    const presets: Partial<PasswordSettings>[] = [
      {},
      { policy: 'strict' },
      { policy: 'classic', minLength: 8, maxLength: 128 },
      { policy: 'nist', minLength: 15 },
    ];
    const words = [
      'short',
      'password1234',
      'seven green bottles',
      'Seven Green Bottles 7!',
      'ada@example.com!',
      'A1! a1! A',
    ];
    for (const preset of presets) {
      for (const word of words) {
        const found = states(preset, word);
        const isMet = Object.values(found.states).every((state) => state === 'met');
        assert.equal(isMet, found.problem === null, `${preset.policy ?? 'length'}: ${word}`);
      }
    }
  });

  it('say which one is missing, and how hard the password is to guess', () => {
    const short = states({}, 'short');
    assert.deepEqual(short.states, { length: 'unmet', uncommon: 'open' });
    assert.match(short.strength ?? '', /^password\.strength\.[01]$/);
    assert.deepEqual(states({ policy: 'strict' }, 'seven green bottles').states, {
      ...{ length: 'met', kinds: 'unmet', uncommon: 'open' },
    });
    assert.equal(states({}, 'seven green bottles on a wall').strength, 'password.strength.4');
  });
});
