import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import { createInteractionPolicy } from '../../src/oidc/interaction-policy.ts';

type Facts = Record<string, unknown>;

/** Only what the checks read of a request. */
function context(facts: Facts): KoaContextWithOIDC {
  return { oidc: { params: {}, prompts: new Set(), ...facts } } as unknown as KoaContextWithOIDC;
}

async function asks(prompt: string, reason: string, facts: Facts): Promise<boolean> {
  const found = createInteractionPolicy()
    .get(prompt)
    ?.checks.find((check) => check.reason === reason);
  assert.ok(found, `${prompt} has no check ${reason}`);
  return (await found.check(context(facts))) === interactionPolicy.Check.REQUEST_PROMPT;
}

describe('the interaction policy', () => {
  it('asks who, then for a proof, then for what is owed to us, for whom one comes, then for consent', () => {
    assert.deepEqual(
      createInteractionPolicy().map((prompt) => prompt.name),
      ['select_account', 'login', 'terms', 'organization', 'consent'],
    );
  });

  it('keeps every check of the library that it does not replace', () => {
    const ours = createInteractionPolicy();
    const replaced = new Set(['native_client_prompt', 'essential_acrs', 'essential_acr']);
    for (const prompt of interactionPolicy.base()) {
      for (const { reason } of prompt.checks) {
        const isThere = ours.get(prompt.name)?.checks.some((check) => check.reason === reason);
        assert.equal(isThere, !replaced.has(reason), `${prompt.name} ${reason}`);
      }
    }
  });

  it('asks again when the account of the session may no longer sign in', async () => {
    const session = { accountId: 'a' };
    assert.equal(await asks('login', 'account_gone', { session, account: undefined }), true);
    assert.equal(await asks('login', 'account_gone', { session, account: {} }), false);
    assert.equal(await asks('login', 'account_gone', { session: {}, account: undefined }), false);
    assert.equal(await asks('login', 'account_gone', { session, account: undefined, result: { login: {} } }), false);
  });

  it('asks for a proof of the account that was chosen, unless it is the one that is signed in', async () => {
    const chosen = (accountId: string | null, more: Facts = {}) => ({
      session: { accountId: 'a' },
      result: { select_account: { accountId }, ...more },
    });
    assert.equal(await asks('login', 'other_account', chosen('b')), true);
    assert.equal(await asks('login', 'other_account', chosen(null)), true);
    assert.equal(await asks('login', 'other_account', chosen('a')), false);
    assert.equal(await asks('login', 'other_account', chosen('b', { login: {} })), false);
    assert.equal(await asks('login', 'other_account', { session: { accountId: 'a' } }), false);
  });

  it('asks each time for native apps, unless the redirect proves which app gets the answer', async () => {
    const facts = (redirect_uri: unknown, applicationType = 'native', result?: Facts) => ({
      params: { redirect_uri },
      client: { applicationType },
      result,
    });
    for (const uri of ['com.example.app:/cb', 'http://127.0.0.1:1/cb', 'http://localhost/cb', undefined, 'HTTPS://x']) {
      assert.equal(await asks('consent', 'native_client', facts(uri)), true, String(uri));
    }
    assert.equal(await asks('consent', 'native_client', facts('https://app.example.com/cb')), false);
    assert.equal(await asks('consent', 'native_client', facts('http://localhost/cb', 'web')), false);
    assert.equal(
      await asks('consent', 'native_client', facts('com.example.app:/cb', 'native', { consent: {} })),
      false,
    );
  });
});
