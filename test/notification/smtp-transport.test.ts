import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { type OutgoingMail, SendError, type SendFailure } from '../../src/notification/mail-transport.ts';
import { SmtpTransport, sendError } from '../../src/notification/smtp-transport.ts';
import { deadMailServer, type Mailbox, silentMailServer, startMailbox } from '../support/mailbox.ts';

const plain = { isPlainAllowed: true };

function mail(extra: Partial<OutgoingMail> = {}): OutgoingMail {
  return {
    id: randomUUID(),
    from: { name: 'Keys, "Locks" & Co', address: 'no-reply@id.example.com' },
    to: 'ada@example.com',
    subject: 'Sign in: 493817',
    loggedSubject: 'Sign in',
    text: 'Your code: 493817\n\nhttps://id.example.com/link/abc\n',
    html: '<p>Your code: 493817</p>',
    locale: 'en',
    otp: { code: '493817', origin: 'https://id.example.com' },
    ...extra,
  };
}

async function withMailbox(work: (mailbox: Mailbox, transport: SmtpTransport) => Promise<void>): Promise<void> {
  const mailbox = await startMailbox();
  const transport = new SmtpTransport('smtp', mailbox.url, plain);
  try {
    await work(mailbox, transport);
  } finally {
    transport.close();
    await mailbox.stop();
  }
}

function failsAs(failure: SendFailure, code: string | RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SendError, String(error));
    assert.equal(error.failure, failure);
    if (typeof code === 'string') assert.equal(error.code, code);
    else assert.match(error.code, code);
    return true;
  };
}

describe('the SMTP transport', () => {
  it('delivers to the envelope’s one recipient, with the headers of an automatic message', async () => {
    await withMailbox(async (mailbox, transport) => {
      const sent = mail();
      assert.match((await transport.send(sent)) ?? '', /queued as TEST-1/);
      const [received] = await mailbox.arrived(1);
      assert.deepEqual(received?.envelope, { from: 'no-reply@id.example.com', to: ['ada@example.com'] });
      const { email } = received ?? assert.fail();
      assert.deepEqual(email.from, { address: 'no-reply@id.example.com', name: 'Keys, "Locks" & Co' });
      assert.deepEqual(email.to, [{ address: 'ada@example.com', name: '' }]);
      assert.equal(email.cc, undefined);
      assert.equal(email.bcc, undefined);
      assert.equal(email.subject, 'Sign in: 493817');
      assert.equal(email.messageId, `<${sent.id}@id.example.com>`);
      assert.equal(email.text?.trim(), sent.text.trim());
      assert.equal(email.html?.trim(), sent.html);
      assert.deepEqual(email.attachments, []);
      const header = (name: string) => email.headers.find((one) => one.key === name)?.value;
      assert.equal(header('auto-submitted'), 'auto-generated');
      assert.equal(header('content-language'), 'en');
      assert.equal(header('otp-token'), '"493817"; origin="https://id.example.com"');
      for (const bulk of ['precedence', 'list-id', 'list-unsubscribe', 'x-mailer'])
        assert.equal(header(bulk), undefined);
      assert.ok(received && received.raw.indexOf('text/plain') < received.raw.indexOf('text/html'));
    });
  });

  it('keeps line breaks in a subject or name out of the headers', async () => {
    await withMailbox(async (mailbox, transport) => {
      await transport.send(
        mail({
          subject: 'Hello\r\nBcc: eve@evil.example\r\n\r\nbody',
          from: { name: 'Keys\r\nBcc: eve@evil.example', address: 'no-reply@id.example.com' },
        }),
      );
      const [received] = await mailbox.arrived(1);
      assert.deepEqual(received?.envelope.to, ['ada@example.com']);
      assert.equal(received?.email.bcc, undefined);
      assert.equal(
        received?.email.headers.some((one) => one.key === 'bcc'),
        false,
      );
    });
  });

  it('sends many over few connections', async () => {
    await withMailbox(async (mailbox, transport) => {
      await Promise.all(Array.from({ length: 20 }, () => transport.send(mail())));
      assert.equal((await mailbox.arrived(20)).length, 20);
      assert.equal(mailbox.connections <= 5, true, `${mailbox.connections} connections`);
    });
  });

  it('sends the next mail after the server closed a kept connection', async () => {
    await withMailbox(async (mailbox, transport) => {
      await transport.send(mail());
      mailbox.hangUp();
      await transport.send(mail());
      assert.equal((await mailbox.arrived(2)).length, 2);
    });
  });

  it('goes on after a refusal', async () => {
    await withMailbox(async (mailbox, transport) => {
      mailbox.refuse('recipient', 550, 1);
      await assert.rejects(transport.send(mail()), failsAs('refused', 'smtp-550'));
      await transport.send(mail());
      assert.equal((await mailbox.arrived(1)).length, 1);
    });
  });

  const answers = [
    ['recipient', 550, 'refused'],
    ['recipient', 451, 'later'],
    ['recipient', 503, 'later'],
    ['recipient', 421, 'unreachable'],
    ['data', 554, 'refused'],
    ['data', 452, 'later'],
    ['sender', 550, 'unreachable'],
    ['sender', 451, 'unreachable'],
    ['greeting', 554, 'unreachable'],
    ['greeting', 421, 'unreachable'],
  ] as const;
  for (const [stage, code, failure] of answers) {
    it(`takes ${code} at the ${stage} for ${failure}`, async () => {
      await withMailbox(async (mailbox, transport) => {
        mailbox.refuse(stage, code);
        await assert.rejects(transport.send(mail()), failsAs(failure, `smtp-${code}`));
        assert.equal(mailbox.mails.length, 0);
      });
    });
  }

  it('takes a server where nobody listens for unreachable', async () => {
    const transport = new SmtpTransport('smtp', await deadMailServer(), plain);
    await assert.rejects(transport.send(mail()), failsAs('unreachable', 'ESOCKET'));
    transport.close();
  });

  it('takes a host that does not exist for unreachable', async () => {
    const transport = new SmtpTransport('smtp', 'smtp://mail.does-not-exist.invalid', plain);
    await assert.rejects(transport.send(mail()), failsAs('unreachable', 'EDNS'));
    transport.close();
  });

  it('does not wait for ever for a server that never greets', async () => {
    const silent = await silentMailServer();
    const timeouts = { connect: 5000, greeting: 200, silence: 5000, whole: 5000 };
    const transport = new SmtpTransport('smtp', silent.url, { ...plain, timeouts });
    await assert.rejects(transport.send(mail()), failsAs('unreachable', 'ETIMEDOUT'));
    transport.close();
    await silent.stop();
  });

  it('does not wait for ever for the last word, and does not know then whether the mail arrived', async () => {
    const mailbox = await startMailbox();
    const release = mailbox.hold();
    const timeouts = { connect: 5000, greeting: 5000, silence: 20_000, whole: 300 };
    const transport = new SmtpTransport('smtp', mailbox.url, { ...plain, timeouts });
    await assert.rejects(transport.send(mail()), failsAs('later', 'EABORT'));
    release();
    transport.close();
    await mailbox.stop();
  });

  it('does not know whether a mail arrived when the server goes away in the middle', async () => {
    const mailbox = await startMailbox();
    mailbox.hold();
    const transport = new SmtpTransport('smtp', mailbox.url, plain);
    const sending = assert.rejects(transport.send(mail()), failsAs('later', /ECONNECTION|ESOCKET/));
    await mailbox.attempted(1);
    await mailbox.holding();
    mailbox.hangUp();
    await sending;
    transport.close();
    await mailbox.stop();
  });

  it('tells a server without TLS nothing, unless that is allowed', async () => {
    await withMailbox(async (mailbox) => {
      // Not a loopback name for the rule, although it leads here.
      const url = `smtp://ada:secret@0.0.0.0:${mailbox.port}`;
      const strict = new SmtpTransport('smtp', url, { isPlainAllowed: false });
      await assert.rejects(strict.send(mail()), failsAs('unreachable', /ETLS|smtp-5\d\d/));
      strict.close();
      assert.equal(mailbox.attempts, 0);
      const trial = new SmtpTransport('smtp', `smtp://0.0.0.0:${mailbox.port}`, plain);
      await trial.send(mail());
      trial.close();
      assert.equal(mailbox.mails.length, 1);
    });
  });

  it('signs in with user and password from the address, percent-encoding undone', async () => {
    const mailbox = await startMailbox({ user: 'ada@example.com', password: 'p:/ü' });
    const url = new URL(mailbox.url);
    url.username = encodeURIComponent('ada@example.com');
    url.password = encodeURIComponent('p:/ü');
    const good = new SmtpTransport('smtp', url.href, plain);
    await good.send(mail());
    good.close();
    url.password = 'wrong';
    const bad = new SmtpTransport('smtp', url.href, plain);
    await assert.rejects(bad.send(mail()), failsAs('unreachable', 'smtp-535'));
    bad.close();
    assert.equal(mailbox.mails.length, 1);
    await mailbox.stop();
  });

  it('reads no files and no addresses for the content of a mail', async () => {
    await withMailbox(async (mailbox, transport) => {
      const text = { path: '/etc/hostname' } as unknown as string;
      await assert.rejects(transport.send(mail({ text })), failsAs('refused', /^E(FILEACCESS|STREAM)$/));
      const html = { href: 'http://127.0.0.1:9/' } as unknown as string;
      await assert.rejects(transport.send(mail({ html })), failsAs('refused', /^E(URLACCESS|STREAM)$/));
      assert.equal(mailbox.mails.length, 0);
    });
  });
});

describe('sendError', () => {
  it('never carries what the server wrote', () => {
    const error = Object.assign(new Error('550 ada@example.com is unknown'), {
      code: 'EENVELOPE',
      command: 'RCPT TO',
      responseCode: 550,
      permanent: true,
    });
    assert.equal(sendError(error).message, 'mail was not sent: smtp-550');
  });

  it('takes what it does not know for later', () => {
    assert.equal(sendError(new Error('x')).failure, 'later');
    assert.equal(sendError(undefined).failure, 'later');
  });
});
