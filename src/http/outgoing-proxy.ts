// Calls over an outgoing proxy of the operator's, for hosts that some networks block. Always by a tunnel, so that the proxy learns where a call goes
// and nothing that is in it.
import { type Dispatcher, ProxyAgent, type RequestInit, Socks5ProxyAgent, fetch as undiciFetch } from 'undici';
import type { GuardedFetch } from './guarded-fetch.ts';

/** Milliseconds. */
const TIMEOUT = 10_000;

/** @param proxy a URL of `http:`, `https:` or `socks5:`, with user and password where it asks for them @param headersTimeout milliseconds */
export function proxyDispatcher(proxy: string, headersTimeout: number): Dispatcher {
  return proxy.startsWith('socks5:')
    ? new Socks5ProxyAgent(proxy, { headersTimeout })
    : new ProxyAgent({ uri: proxy, headersTimeout, proxyTunnel: true });
}

/**
 * A `fetch` that takes the proxy for one host and nothing else: the proxy may reach what only the operator may, so whatever that host names
 * elsewhere is called as before.
 * @param host as in a URL, with its port if that is not the usual one
 */
export function viaProxy(proxy: string, host: string, otherwise: GuardedFetch): GuardedFetch {
  const dispatcher = proxyDispatcher(proxy, TIMEOUT);
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.host !== host) return otherwise(input, init);
    const limit = AbortSignal.timeout(TIMEOUT);
    const response = await undiciFetch(url, {
      ...(init as RequestInit),
      redirect: 'manual',
      signal: init.signal ? AbortSignal.any([init.signal, limit]) : limit,
      dispatcher,
    });
    return response as unknown as Response;
  };
}
