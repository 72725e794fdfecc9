// Somebody who is signed in with all that an app can hold, and whether another process of the same installation still accepts it.
import { Browser } from './browser-client.ts';
import { redeem, refresh, signIn, tokenRequest, userinfo } from './relying-party.ts';
import type { TestClient } from './server.ts';

/** Where a process listens, whatever address the public one is. */
interface Listening {
  readonly issuer: string;
}

interface Person {
  readonly email: string;
  readonly username: null;
}

/** The ways in which an ended session could still be of use. */
export const USES = ['refresh', 'userinfo', 'introspection', 'account portal'] as const;
export type Use = (typeof USES)[number];

export interface Device {
  readonly browser: Browser;
  readonly client: TestClient;
  /** As the list of sessions knows it. */
  readonly sessionId: string;
  readonly accessToken: unknown;
  /** Another one after each use. */
  refreshToken: unknown;
}

/** Signs in to an app and to the account portal. */
export async function signInDevice(first: Listening, client: TestClient, account: Person): Promise<Device> {
  const browser = new Browser(first.issuer);
  const params = { scope: 'openid offline_access', prompt: 'consent' };
  const { body } = await redeem(first, client, await signIn(first, browser, client, { account, params }));
  const page = await browser.get('/account/sessions');
  const sessionId = page.element('[data-current]').getAttribute('data-session') ?? '';
  return { browser, client, sessionId, accessToken: body['access_token'], refreshToken: body['refresh_token'] };
}

/** What is asked of a process, and whether it is granted. */
export async function isAccepted(process: Listening, device: Device, use: Use): Promise<boolean> {
  const { browser, client, accessToken } = device;
  switch (use) {
    case 'refresh': {
      const { status, body } = await refresh(process, client, device.refreshToken);
      if (status === 200) device.refreshToken = body['refresh_token'];
      return status === 200;
    }
    case 'userinfo':
      return (await userinfo(process, accessToken)).status === 200;
    case 'introspection': {
      const { body } = await tokenRequest(process, '/token/introspection', client, { token: String(accessToken) });
      return body['active'] === true;
    }
    default:
      return (await browser.request(new URL('/account/sessions', process.issuer))).id === 'account-sessions';
  }
}

export interface Ended {
  /** Milliseconds from the answer to the ending until the first refusal was there. */
  readonly refusedAfter: number;
  /** Milliseconds from there until the last question that was still granted was put; null when none was. */
  readonly grantedUntil: number | null;
}

/** Asks again and again, from the moment when the ending was answered until it is refused. */
export async function untilRefused(process: Listening, device: Device, use: Use): Promise<Ended> {
  const endedAt = performance.now();
  let grantedUntil: number | null = null;
  for (;;) {
    const askedAt = performance.now() - endedAt;
    if (!(await isAccepted(process, device, use))) return { refusedAfter: performance.now() - endedAt, grantedUntil };
    grantedUntil = askedAt;
  }
}
