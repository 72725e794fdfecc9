// The kinds of setting that hold an address: the issuer, hosts, and the URLs of database, Redis, mail server and
// upstreams. Each is parsed with the URL parser that later connects to it, so that two readings of one address cannot
// differ.
import { isIP } from 'node:net';
import { z } from 'zod';
import type { Kind } from './setting.ts';

const LOOPBACK_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Whether a URL stays on this machine: the only place where http, file mails and switched-off limits are acceptable.
 */
export function isLoopback(url: string): boolean {
  return URL.canParse(url) && LOOPBACK_HOSTS.includes(new URL(url).hostname);
}

/** Text that `findWrong` has nothing against; what it answers completes the sentence "LATCHKEY_X: …". */
function checked(allowed: string, findWrong: (text: string) => string | undefined): Kind<string> {
  return {
    allowed,
    schema: z
      .string()
      .max(2000)
      .trim()
      .superRefine((text, context) => {
        const wrong = findWrong(text);
        if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong });
      }),
  };
}

/**
 * The issuer (OpenID Connect Discovery 1.0, section 3): compared byte for byte by clients, so only its canonical form
 * is taken.
 */
export function issuerUrl(): Kind<string> {
  const allowed = 'an https URL without query, fragment or final slash (http only on localhost, 127.0.0.1 or [::1])';
  return checked(allowed, (text) => {
    const url = URL.parse(text);
    if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return `must be ${allowed}`;
    if (url.username !== '' || url.password !== '') return 'must not carry a user name or password';
    if (/[?#]/.test(text)) return 'must not have a query or fragment';
    if (text.endsWith('/')) return 'must not end with a slash';
    if (url.href !== text && url.href !== `${text}/`) return `must be written as ${url.href.replace(/\/$/, '')}`;
    if (url.protocol === 'http:' && !isLoopback(text)) {
      return 'must use https: http is accepted only on localhost, 127.0.0.1 or [::1]';
    }
    return undefined;
  });
}

/**
 * @param schemes without the colon; with http among them any host may be reached in clear, without it loopback hosts
 * only
 */
export function webUrl(...schemes: readonly string[]): Kind<string> {
  const loopbackToo = schemes.includes('http') ? '' : ' (http only on localhost, 127.0.0.1 or [::1])';
  const allowed = `a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}${loopbackToo}`;
  return checked(allowed, (text) => {
    const scheme = URL.parse(text)?.protocol.slice(0, -1) ?? '';
    const isFine = schemes.includes(scheme) || (scheme === 'http' && isLoopback(text));
    return isFine ? undefined : `must be ${allowed}`;
  });
}

export function listenerHost(): Kind<string> {
  const allowed = 'an IP address or host name to listen on';
  return checked(allowed, (text) =>
    isIP(text) !== 0 || /^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$/.test(text) ? undefined : `must be ${allowed}`,
  );
}

/** One host as `URL.hostname` writes it (lower case, IDNA, IPv6 in brackets), so that callers compare with that. */
export function networkHost(): Kind<string> {
  const allowed = 'a host name or IP address without scheme, port or path';
  return {
    allowed,
    schema: z
      .string()
      .max(300)
      .transform((raw, context) => {
        const text = raw.trim();
        const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
        const isIpv6 = isIP(bare) === 6;
        const isPlain = isIpv6 || /^[^\s/\\@?#:*[\]]+$/.test(text);
        const url = isPlain ? URL.parse(`http://${isIpv6 ? `[${bare}]` : text}`) : null;
        if (url !== null && url.hostname !== '') return url.hostname;
        context.addIssue({ code: 'custom', message: `must be ${allowed}` });
        return z.NEVER;
      }),
  };
}

export function databaseUrl(): Kind<string> {
  const allowed = 'a URL that starts with postgres:// and names a host';
  return checked(allowed, (text) => {
    const url = URL.parse(text);
    const isPostgres = url?.protocol === 'postgres:' || url?.protocol === 'postgresql:';
    // A Unix socket has no host in the URL: its folder is the parameter `host`.
    return isPostgres && (url.hostname !== '' || url.searchParams.has('host')) ? undefined : `must be ${allowed}`;
  });
}

export function smtpUrl(): Kind<string> {
  const allowed = 'a URL that starts with smtp:// or smtps://, with host and, where needed, port, user and password';
  return checked(allowed, (text) => {
    const url = URL.parse(text);
    const isSmtp = url?.protocol === 'smtp:' || url?.protocol === 'smtps:';
    const isBare = url !== null && /^\/?$/.test(url.pathname) && !/[?#]/.test(text);
    return isSmtp && isBare && url.hostname !== '' ? undefined : `must be ${allowed}`;
  });
}

/** `name@host` or `Display Name <name@host>`; what would need escaping in a header is refused rather than escaped. */
export function mailSender(): Kind<string> {
  const allowed = 'one e-mail address, alone or as Name <address>';
  const address = /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?$/;
  return checked(allowed, (text) => {
    const named = /^(?:"[^"\\<>\p{Cc}]{1,100}"|[^"\\<>()[\],;:@\p{Cc}]{1,100}) <([^<>]{1,320})>$/u.exec(text);
    return address.test(named?.[1] ?? text) ? undefined : `must be ${allowed}`;
  });
}

export interface RedisTarget {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  /** For Sentinel a single one that names all sentinels, and the master's name and the database in the path. */
  readonly urls: readonly string[];
}

export function redisUrls(): Kind<RedisTarget> {
  const allowed =
    'redis://HOST or rediss://HOST, several of them with commas for a Cluster, or redis+sentinel://HOST,HOST/MASTER-NAME';
  return {
    allowed,
    schema: z
      .string()
      .max(10_000)
      .transform((raw, context) => {
        const target = parseRedis(raw.trim());
        if (target !== undefined) return target;
        context.addIssue({ code: 'custom', message: `must be ${allowed}` });
        return z.NEVER;
      }),
  };
}

const SENTINEL = /^rediss?\+sentinel:\/\/(?:[^@/?#\s]*@)?([^@/?#\s]+)\/[\w.-]{1,100}(?:\/\d{1,3})?(?:\?[^#\s]*)?$/;

function parseRedis(text: string): RedisTarget | undefined {
  const sentinels = SENTINEL.exec(text)?.[1];
  if (sentinels !== undefined) {
    const isFine = sentinels.split(',').every((host) => host !== '' && URL.parse(`redis://${host}`)?.host === host);
    return isFine ? { kind: 'sentinel', urls: [text] } : undefined;
  }
  const urls = text.split(',').map((one) => one.trim());
  const parsed = urls.map((one) => URL.parse(one));
  const isCluster = urls.length > 1;
  // A Cluster has the one database 0, and either all of its nodes speak TLS or none does.
  const path = isCluster ? /^\/?0?$/ : /^\/?\d{0,3}$/;
  const isFine = parsed.every(
    (url) =>
      url !== null &&
      (url.protocol === 'redis:' || url.protocol === 'rediss:') &&
      url.protocol === parsed[0]?.protocol &&
      url.hostname !== '' &&
      url.hash === '' &&
      path.test(url.pathname),
  );
  return isFine ? { kind: isCluster ? 'cluster' : 'single', urls } : undefined;
}
