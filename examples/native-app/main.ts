// A native app in a terminal: signs a person in through the system's browser (RFC 8252), asks who they are, refreshes and signs out.
// README.md says what to register and how to run it.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { SignIn } from './sign-in.ts';
import { requireSafe, SignedOut, TokenKeeper } from './token-keeper.ts';

const { ISSUER = 'http://localhost:3000', CLIENT_ID = '', BROWSER_COMMAND } = process.env;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

requireSafe(new URL(ISSUER));
const signIn = await SignIn.discover(ISSUER, CLIENT_ID);
const keeper = new TokenKeeper((refreshToken) => signIn.refresh(refreshToken));

const { tokens, claims } = await signIn.start((url) => {
  say(`Sign in at ${url}`);
  openBrowser(url);
});
keeper.keep(tokens);
say(`Signed in as ${claims.sub}. Commands: who, refresh, sign-out`);

const commands: Record<string, () => Promise<void>> = {
  async who() {
    const answer = await keeper.fetch(signIn.configuration.userInfoEndpoint ?? '');
    const { name, email } = (await answer.json()) as { readonly name?: string; readonly email?: string };
    say(`You are ${name ?? 'somebody'} <${email ?? ''}>`);
  },
  async refresh() {
    const { expiresAt } = await keeper.refreshed();
    say(`New tokens, good until ${new Date(expiresAt * 1000).toISOString()}`);
  },
  async 'sign-out'() {
    const { refreshToken } = keeper.current ?? {};
    keeper.clear();
    if (refreshToken !== undefined) await signIn.revoke(refreshToken);
    say('Signed out');
  },
};

const terminal = createInterface({ input: process.stdin });
for await (const line of terminal) {
  const command = commands[line.trim()];
  try {
    if (command) await command();
    else say('Commands: who, refresh, sign-out');
  } catch (error) {
    // Never the error as a whole: requests with tokens hang on it.
    say(error instanceof SignedOut ? `Signed out: ${error.message}` : 'That did not work. Try again.');
  }
  if (keeper.current === undefined) break;
}
terminal.close();

/** The system's browser, where people see which site asks for their password and where they may be signed in already. */
function openBrowser(url: string): void {
  const usual = process.platform === 'darwin' ? 'open' : process.platform === 'win32' ? 'explorer' : 'xdg-open';
  const command = BROWSER_COMMAND ?? usual;
  if (command === '') return;
  // Without a shell, so that nothing in the address is a command. Whoever has no browser here copies the address.
  spawn(command, [url], { stdio: 'ignore', detached: true })
    .once('error', () => undefined)
    .unref();
}
