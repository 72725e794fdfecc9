// oidc-agent, a keeper of tokens for command lines, by the device grant: it signs in, gets fresh tokens from the refresh token, before and after our
// keys are replaced, and revokes what it has when it is told to forget.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { packagesMissing } from '../../../support/foreign-program.ts';
import { temporaryFolder, until, watch } from '../../../support/process.ts';
import { answerPrompts, userinfo } from '../../../support/relying-party.ts';
import { kidOf, rotateKeys } from '../../../support/rotate-keys.ts';
import { describeOnEachBackend } from '../../../support/server.ts';

const missing = packagesMissing('oidc-agent-cli');
const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
const ACCOUNT = 'latchkey-test';

/** An agent of its own, with a folder of its own. */
class Agent {
  readonly #env: Record<string, string>;
  readonly #agent: ReturnType<typeof watch>;
  readonly #socket: string;

  constructor() {
    const folder = temporaryFolder();
    this.#socket = join(folder, 'agent.sock');
    this.#env = {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      OIDC_CONFIG_DIR: folder,
      OIDC_SOCK: this.#socket,
      OIDC_ENCRYPTION_PW: 'a password for the file of this test',
    };
    // In the foreground, so that it can be ended with the test.
    const args = ['--console', '--socket-path', this.#socket, '--always-allow-idtoken', '--log-stderr', '--quiet'];
    this.#agent = this.#spawn('oidc-agent', args);
  }

  async isReady(): Promise<void> {
    await until(() => existsSync(this.#socket), 'the agent to listen');
  }

  /** Begins to sign in. */
  generate(args: readonly string[]): ReturnType<typeof watch> {
    return this.#spawn('oidc-gen', [...args, '--flow=device', '--pw-env', '--confirm-default', '-m', ACCOUNT]);
  }

  async run(command: string, ...args: readonly string[]): Promise<string> {
    const done = await this.#spawn(command, args).finished;
    assert.equal(done.code, 0, `${command} ${args.join(' ')}: ${done.stdout}${done.stderr}${this.log()}`);
    return done.stdout.trim();
  }

  log(): string {
    return this.#agent.output.stderr;
  }

  async stop(): Promise<void> {
    this.#agent.child.kill('SIGTERM');
    await this.#agent.finished;
  }

  #spawn(command: string, args: readonly string[]): ReturnType<typeof watch> {
    return watch(spawn(`/usr/bin/${command}`, args, { env: this.#env, stdio: 'pipe' }));
  }
}

describe('oidc-agent', { skip: missing ?? false }, () => {
  describeOnEachBackend('the agent', (latchkey) => {
    it('signs in on a second device, refreshes and revokes, across a rotation', async () => {
      const client = await latchkey().createClient({
        client_name: 'Terminal',
        grant_types: [GRANT, 'refresh_token'],
        response_types: [],
        redirect_uris: [],
      });
      const account = await latchkey().createAccount({ name: 'Ann Lee' });
      const agent = new Agent();
      try {
        await agent.isReady();
        const generating = agent.generate([
          `--issuer=${latchkey().issuer}`,
          `--client-id=${client.clientId}`,
          `--client-secret=${client.clientSecret}`,
          '--scope=openid profile offline_access',
        ]);
        const shown = () => generating.output.stdout + generating.output.stderr;
        let hasEnded = false;
        void generating.finished.then(() => {
          hasEnded = true;
        });
        const code = /[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}/;
        await until(() => {
          if (hasEnded) throw new Error(`it gave up: ${shown()} ${agent.log()}`);
          return code.test(shown());
        }, 'the code');
        const browser = latchkey().browser();
        const confirm = await browser.submit(await browser.get('/device'), { code: code.exec(shown())?.[0] ?? '' });
        assert.equal(confirm.id, 'device-confirm', confirm.describe());
        const done = await browser.submit(confirm, {}, { button: ['decision', 'allow'] });
        assert.equal((await answerPrompts(browser, done, { account })).id, 'device-done');
        assert.equal((await generating.finished).code, 0, shown() + agent.log());

        const first = await agent.run('oidc-token', ACCOUNT);
        assert.equal((await userinfo(latchkey(), first)).body['name'], 'Ann Lee');
        const idToken = await agent.run('oidc-token', '--id-token', ACCOUNT);
        await rotateKeys(latchkey());
        const second = await agent.run('oidc-token', '--force-new', ACCOUNT);
        assert.notEqual(second, first);
        assert.equal((await userinfo(latchkey(), second)).body['sub'], account.subject);
        assert.notEqual(kidOf(await agent.run('oidc-token', '--id-token', ACCOUNT)), kidOf(idToken));

        await agent.run('oidc-gen', '--delete', '--pw-env', '--confirm-yes', ACCOUNT);
        assert.equal((await userinfo(latchkey(), second)).status, 401);
      } finally {
        await agent.stop();
      }
    });
  });
});
