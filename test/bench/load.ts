// Puts load on one server and measures: bounded in count and time, on loopback only. Runs in the parent, so that the server has a core of its
// own.
import { Pool } from 'undici';
import { CLIENT_ID, PASSWORD, REDIRECT_URI, type Ready, SIGN_IN_NAME } from './target.ts';

const FORM = 'application/x-www-form-urlencoded';
// The verifier of RFC 7636, appendix B, and its challenge.
const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';

export interface Limit {
  readonly most: number;
  readonly ms: number;
}

export interface Measured {
  readonly done: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

interface Answer {
  readonly status: number;
  readonly location: string;
  readonly text: string;
  readonly cookies: readonly string[];
}

export class Load {
  readonly #pool: Pool;
  readonly #ready: Ready;
  readonly #basic: string;

  constructor(ready: Ready, parallel: number) {
    this.#pool = new Pool(ready.origin, { connections: parallel, pipelining: 1 });
    this.#ready = ready;
    this.#basic = `Basic ${Buffer.from(`${CLIENT_ID}:${encodeURIComponent(ready.clientSecret)}`).toString('base64')}`;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  /**
   * Repeats `work` on each of `parallel` lanes until `limit.most` are done or `limit.ms` milliseconds are over.
   * @throws when one of them fails: a fast error is no result
   */
  async measure(parallel: number, limit: Limit, work: (lane: number) => Promise<void>): Promise<Measured> {
    const times: number[] = [];
    let left = limit.most;
    const startedAt = performance.now();
    const isOver = (): boolean => left <= 0 || performance.now() - startedAt > limit.ms;
    await Promise.all(
      Array.from({ length: parallel }, async (_, lane) => {
        while (!isOver()) {
          left -= 1;
          const begun = performance.now();
          await work(lane);
          times.push(performance.now() - begun);
        }
      }),
    );
    const seconds = (performance.now() - startedAt) / 1000;
    times.sort((one, other) => one - other);
    const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
    return { done: times.length, perSecond: times.length / seconds, p50: at(0.5), p99: at(0.99) };
  }

  async discovery(): Promise<void> {
    expect(await this.#get('/.well-known/openid-configuration'), 200);
  }

  async clientCredentials(): Promise<void> {
    expect(await this.#post('/token', { grant_type: 'client_credentials' }), 200);
  }

  /** With the session of the cookie: a code at once. */
  async authorize(): Promise<string> {
    const query = new URLSearchParams({
      client_id: CLIENT_ID,
      redirect_uri: REDIRECT_URI,
      response_type: 'code',
      scope: 'openid profile email',
      code_challenge: CHALLENGE,
      code_challenge_method: 'S256',
    });
    const answer = await this.#get(`/auth?${query}`, this.#ready.cookie);
    expect(answer, 303);
    const code = URL.parse(answer.location)?.searchParams.get('code');
    if (!code) throw new Error(`no code: ${answer.location}`);
    return code;
  }

  /** @returns the access token */
  async exchange(code: string): Promise<string> {
    const answer = await this.#post('/token', {
      grant_type: 'authorization_code',
      code,
      redirect_uri: REDIRECT_URI,
      code_verifier: VERIFIER,
    });
    expect(answer, 200);
    return (JSON.parse(answer.text) as { access_token: string }).access_token;
  }

  async refresh(refreshToken: string): Promise<string> {
    const answer = await this.#post('/token', { grant_type: 'refresh_token', refresh_token: refreshToken });
    expect(answer, 200);
    return (JSON.parse(answer.text) as { refresh_token: string }).refresh_token;
  }

  async introspect(token: string): Promise<void> {
    const answer = await this.#post('/token/introspection', { token });
    expect(answer, 200);
    if (!answer.text.includes('"active":true')) throw new Error('the token is not active');
  }

  async userinfo(token: string): Promise<void> {
    expect(await this.#get('/me', undefined, `Bearer ${token}`), 200);
  }

  /** From the authorization request of a fresh browser through the sign-in page to the code. */
  async passwordSignIn(): Promise<void> {
    const jar = new Map<string, string>();
    const cookies = (): string => [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const keep = (answer: Answer): Answer => {
      for (const cookie of answer.cookies) {
        const [pair = ''] = cookie.split(';');
        const at = pair.indexOf('=');
        jar.set(pair.slice(0, at), pair.slice(at + 1));
      }
      return answer;
    };
    const query = new URLSearchParams({
      client_id: CLIENT_ID,
      redirect_uri: REDIRECT_URI,
      response_type: 'code',
      scope: 'openid profile email',
      code_challenge: CHALLENGE,
      code_challenge_method: 'S256',
    });
    const start = keep(await this.#get(`/auth?${query}`));
    const page = keep(await this.#get(pathOf(start.location), cookies()));
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    const body = { csrf, login: SIGN_IN_NAME, password: PASSWORD };
    const done = keep(await this.#send('POST', `${pathOf(start.location)}/login`, body, { cookie: cookies() }));
    expect(done, 303);
    const code = await this.#get(pathOf(done.location), cookies());
    if (!code.location.includes('code=')) throw new Error(`no code after the sign-in: ${code.status} ${code.location}`);
  }

  #get(path: string, cookie?: string, authorization?: string): Promise<Answer> {
    return this.#send('GET', path, undefined, {
      ...(cookie ? { cookie } : {}),
      ...(authorization ? { authorization } : {}),
    });
  }

  #post(path: string, fields: Record<string, string>): Promise<Answer> {
    return this.#send('POST', path, fields, { authorization: this.#basic });
  }

  async #send(
    method: 'GET' | 'POST',
    path: string,
    fields: Record<string, string> | undefined,
    headers: Record<string, string>,
  ): Promise<Answer> {
    const {
      statusCode,
      headers: received,
      body,
    } = await this.#pool.request({
      method,
      path,
      headers: { ...headers, ...(fields ? { 'content-type': FORM } : {}) },
      ...(fields ? { body: new URLSearchParams(fields).toString() } : {}),
    });
    const cookies = received['set-cookie'] ?? [];
    return {
      status: statusCode,
      location: String(received['location'] ?? ''),
      text: await body.text(),
      cookies: Array.isArray(cookies) ? cookies : [cookies],
    };
  }
}

function expect(answer: Answer, status: number): void {
  if (answer.status !== status) throw new Error(`status ${answer.status}: ${answer.text.slice(0, 200)}`);
}

function pathOf(location: string): string {
  const url = URL.parse(location, 'http://own.invalid');
  return url ? `${url.pathname}${url.search}` : location;
}
