// Web apps with the libraries of Python, Ruby and Go, as Debian packages them: each signs in, reads, refreshes and signs out, and goes on in the
// same process when our keys are replaced.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type ForeignProgram, foreignFile, packagesMissing, startProgram } from '../../../support/foreign-program.ts';
import { freePort } from '../../../support/free-port.ts';
import { temporaryFolder } from '../../../support/process.ts';
import { confirmSignOut, isSignedIn } from '../../../support/relying-party.ts';
import { rotateKeys } from '../../../support/rotate-keys.ts';
import { describeOnEachBackend } from '../../../support/server.ts';
import { AppVisit } from '../app-visit.ts';

interface App {
  readonly name: string;
  readonly missing: string | undefined;
  /** Program and arguments. */
  command(): readonly [string, ...string[]];
  readonly metadata?: Record<string, unknown>;
  /** Whether it names a place to come back to after signing out. */
  readonly comesBack: boolean;
}

const apps: readonly App[] = [
  {
    name: 'Authlib on Flask',
    missing: packagesMissing('python3-authlib', 'python3-flask', 'python3-requests'),
    // Not the first on the path: Debian's packages belong to Debian's Python.
    command: () => ['/usr/bin/python3', foreignFile('app.py')],
    comesBack: true,
  },
  {
    name: 'omniauth_openid_connect on Rack',
    missing: packagesMissing('ruby-omniauth-openid-connect', 'ruby-webrick'),
    command: () => ['/usr/bin/ruby', foreignFile('app.rb')],
    // This release knows no PKCE.
    metadata: { latchkey_pkce_optional: true },
    comesBack: false,
  },
  {
    name: 'go-oidc',
    missing: packagesMissing('golang-go', 'golang-github-coreos-go-oidc-dev', 'golang-golang-x-oauth2-dev'),
    command: () => [buildGo()],
    // It expects the algorithm of OpenID Connect's registration unless it is told another one.
    metadata: { id_token_signed_response_alg: 'RS256' },
    comesBack: true,
  },
];

let built: string | undefined;

function buildGo(): string {
  if (built === undefined) {
    const folder = temporaryFolder();
    const path = join(folder, 'app');
    const env = {
      PATH: process.env['PATH'],
      HOME: folder,
      GOCACHE: join(folder, 'cache'),
      GOPATH: '/usr/share/gocode',
    };
    execFileSync('/usr/bin/go', ['build', '-o', path, foreignFile('app.go')], {
      cwd: folder,
      // Debian's libraries lie in one place, as they did before there were modules.
      env: { ...env, GO111MODULE: 'off', GOFLAGS: '', GOPROXY: 'off' },
    });
    built = path;
  }
  return built;
}

interface Told {
  readonly sub?: string;
  readonly name?: string;
  readonly kid?: string;
}

for (const app of apps) {
  describe(app.name, { skip: app.missing ?? false }, () => {
    describeOnEachBackend('the app', (latchkey) => {
      it('signs in, refreshes and signs out, across a rotation', async () => {
        const port = await freePort();
        const origin = `http://localhost:${port}`;
        const registered = await latchkey().createClient({
          redirect_uris: [`${origin}/callback`],
          post_logout_redirect_uris: [`${origin}/`],
          ...app.metadata,
        });
        const [command, ...args] = app.command();
        const program: ForeignProgram = await startProgram({
          ...{ command, args, port },
          env: {
            ISSUER: latchkey().issuer,
            CLIENT_ID: registered.clientId,
            CLIENT_SECRET: registered.clientSecret ?? '',
          },
        });
        try {
          const account = await latchkey().createAccount({ name: 'Ann Lee' });
          const visit = new AppVisit(latchkey(), program.origin);
          const read = async (path: string): Promise<Told> => {
            const page = await visit.app.get(path);
            assert.equal(page.status, 200, `${path}: ${page.text} ${program.output()}`);
            return JSON.parse(page.text) as Told;
          };
          const signIn = async (): Promise<Told> => {
            const page = await visit.signIn('/login', { account });
            assert.equal(page.status, 200, `${page.describe()} ${page.text} ${program.output()}`);
            return read('/me');
          };
          const told = await signIn();
          assert.deepEqual([told.sub, told.name], [account.subject, 'Ann Lee']);
          const refreshed = await read('/refresh');
          assert.deepEqual([refreshed.sub, refreshed.kid], [account.subject, told.kid]);

          await rotateKeys(latchkey());
          const later = await read('/refresh');
          assert.equal(later.sub, account.subject);
          assert.notEqual(later.kid, told.kid);
          const again = await signIn();
          assert.deepEqual([again.sub, again.kid], [account.subject, later.kid]);

          const leaving = await visit.app.get('/logout');
          assert.ok(leaving.location, leaving.describe() + leaving.text);
          assert.equal(await isSignedIn(latchkey(), visit.person), true);
          const end = await confirmSignOut(visit.person, leaving.location);
          if (app.comesBack) assert.equal(end.location?.href, `${origin}/`);
          assert.equal(await isSignedIn(latchkey(), visit.person), false);
          assert.equal((await visit.app.get('/me')).status, 401);
        } finally {
          await program.stop();
        }
      });
    });
  });
}
