// What is counted for the operator, and that no label can be filled by a stranger.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Metrics } from '../src/metrics.ts';

describe('metrics', () => {
  it('count sign-ins by what was proven, and failures by reason', async () => {
    const metrics = new Metrics();
    metrics.noteEvent({ action: 'session.start', reason: 'password' });
    metrics.noteEvent({ action: 'session.start', reason: 'password+telegram' });
    metrics.noteEvent({ action: 'session.step-up', reason: 'passkey' });
    metrics.noteEvent({ action: 'session.start', result: 'failure', reason: 'wrong-totp' });
    metrics.noteEvent({ action: 'factor.add', reason: 'totp' });
    const text = await metrics.print();
    for (const line of [
      'latchkey_sign_ins_total{kind="sign-in",method="password",second="none"} 1',
      'latchkey_sign_ins_total{kind="sign-in",method="password",second="telegram"} 1',
      'latchkey_sign_ins_total{kind="step-up",method="passkey",second="none"} 1',
      'latchkey_sign_in_failures_total{kind="sign-in",reason="wrong-totp"} 1',
    ]) {
      assert.ok(text.includes(`${line}\n`), `${line}\n${text}`);
    }
    assert.doesNotMatch(text, /factor/);
  });

  it('have only so many values of a label, and only words', async () => {
    const metrics = new Metrics();
    for (let count = 0; count < 500; count += 1) {
      metrics.noteEvent({ action: 'session.start', result: 'failure', reason: `reason-${count}` });
    }
    for (const reason of ['ada@example.com', '203.0.113.7', 'With Words', 'x'.repeat(61), '']) {
      metrics.noteEvent({ action: 'session.start', result: 'failure', reason });
      metrics.noteEvent({ action: 'session.start', reason: `${reason}+${reason}` });
    }
    metrics.noteRequest('/', 'BREW', 200, 0.1);
    const text = await metrics.print();
    assert.equal(text.match(/latchkey_sign_in_failures_total\{/g)?.length, 101);
    assert.match(text, /reason="other"\} 405\n/);
    assert.match(text, /method="other",second="other"\} 5\n/);
    assert.doesNotMatch(text, /example|203|With|BREW|xxx/);
  });

  it('leave out what cannot be read', async () => {
    const metrics = new Metrics();
    let isAway = false;
    metrics.followOutbox(async () => {
      if (isAway) throw new Error('away');
      return { queued: 3, oldestAt: Date.now() - 60_000 };
    });
    const first = await metrics.print();
    assert.match(first, /^latchkey_outbox_queued 3$/m);
    assert.match(first, /^latchkey_outbox_oldest_seconds 60/m);
    isAway = true;
    assert.doesNotMatch(await metrics.print(), /^latchkey_outbox_\w+ /m);
  });
});
