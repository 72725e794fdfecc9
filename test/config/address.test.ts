import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  databaseUrl,
  isLoopback,
  issuerUrl,
  listenerHost,
  mailSender,
  networkHost,
  redisUrls,
  smtpUrl,
  webUrl,
} from '../../config/address.ts';
import { type Kind, parseValue } from '../../config/setting.ts';

function taken(kind: Kind<unknown>, raw: unknown): unknown {
  const result = parseValue(kind, raw);
  return 'value' in result ? result.value : undefined;
}

function wrongWith(kind: Kind<unknown>, raw: unknown): string {
  const result = parseValue(kind, raw);
  return 'wrong' in result ? result.wrong : '';
}

describe('the issuer', () => {
  const issuer = issuerUrl();

  test('is an https URL, with a port or path where wanted, kept byte for byte', () => {
    for (const url of [
      'https://id.example.com',
      'https://id.example.com:8443',
      'https://example.com/id/eu',
      'https://[2001:db8::1]',
    ]) {
      assert.equal(taken(issuer, url), url);
    }
  });

  test('may use http on loopback hosts and nowhere else', () => {
    for (const url of ['http://localhost:3000', 'http://127.0.0.1:3000', 'http://[::1]:3000'])
      assert.equal(taken(issuer, url), url);
    const elsewhere = [
      'http://id.example.com',
      'http://localhost.example.com',
      'http://127.0.0.1.example.com',
      'http://10.0.0.1',
      'http://0.0.0.0:3000',
      'http://[::2]',
      'http://example.com/localhost',
    ];
    for (const url of elsewhere) assert.match(wrongWith(issuer, url), /must use https/, url);
  });

  test('is refused with anything that is no part of an issuer', () => {
    assert.match(wrongWith(issuer, 'https://admin:pw@id.example.com'), /user name/);
    assert.match(wrongWith(issuer, 'https://id.example.com?x=1'), /query/);
    assert.match(wrongWith(issuer, 'https://id.example.com/?'), /query/);
    assert.match(wrongWith(issuer, 'https://id.example.com#'), /query or fragment/);
    assert.match(wrongWith(issuer, 'https://id.example.com/'), /slash/);
    for (const raw of ['', 'id.example.com', 'ftp://id.example.com', 'https://', 'javascript:alert(1)', 7, null]) {
      assert.notEqual(wrongWith(issuer, raw), '', String(raw));
    }
  });

  test('is refused in a form that the URL parser would write differently, and told how to write it', () => {
    assert.equal(wrongWith(issuer, 'https://ID.example.com'), 'must be written as https://id.example.com');
    assert.equal(wrongWith(issuer, 'https://id.example.com:443'), 'must be written as https://id.example.com');
    assert.equal(wrongWith(issuer, 'https://id.example.com/a/../b'), 'must be written as https://id.example.com/b');
  });

  test('that is taken is always what the URL parser reads, without a slash at its end', () => {
    fc.assert(
      fc.property(
        fc.webUrl({ validSchemes: ['http', 'https'], withFragments: true, withQueryParameters: true }),
        (text) => {
          const url = taken(issuer, text);
          if (url === undefined) return;
          assert.equal(url, text);
          assert.ok(new URL(text).href === text || new URL(text).href === `${text}/`);
          assert.ok(text.startsWith('https:') || isLoopback(text));
          assert.ok(!/[?#]|\/$/.test(text));
        },
      ),
    );
  });
});

test('loopback is told by the host alone', () => {
  assert.ok(isLoopback('https://localhost/x'));
  assert.ok(!isLoopback('https://localhost@id.example.com'));
  assert.ok(!isLoopback('https://id.example.com/localhost'));
  assert.ok(!isLoopback('localhost'));
});

test('an upstream is reached over https, or over http on this machine', () => {
  assert.equal(taken(webUrl('https'), 'https://login.example.com/'), 'https://login.example.com/');
  assert.equal(taken(webUrl('https'), 'http://127.0.0.1:4000'), 'http://127.0.0.1:4000');
  assert.equal(taken(webUrl('https'), 'http://login.example.com'), undefined);
  assert.equal(taken(webUrl('https', 'http'), 'http://bot-api:8081'), 'http://bot-api:8081');
  assert.equal(taken(webUrl('https'), 'file:///etc/passwd'), undefined);
});

test('a listener host is a name or an address', () => {
  for (const host of ['127.0.0.1', '0.0.0.0', '::', '::1', 'localhost'])
    assert.equal(taken(listenerHost(), host), host);
  for (const host of ['', 'http://localhost', 'local host', '127.0.0.1:3000', '-x'])
    assert.equal(taken(listenerHost(), host), undefined);
});

describe('a host on a private network', () => {
  test('is kept as URL.hostname writes it', () => {
    assert.equal(taken(networkHost(), ' Intranet.Example.COM '), 'intranet.example.com');
    assert.equal(taken(networkHost(), 'bücher.example'), 'xn--bcher-kva.example');
    assert.equal(taken(networkHost(), '::1'), '[::1]');
    assert.equal(taken(networkHost(), '[FD00::0001]'), '[fd00::1]');
    assert.equal(taken(networkHost(), '10.0.0.5'), '10.0.0.5');
  });

  test('has neither scheme nor port, path or wildcard', () => {
    for (const raw of [
      'http://a',
      'a:80',
      'a/b',
      'a@b',
      '*.a',
      'a b',
      '',
      '10.0.0.0/8',
      '[::1',
      '[a]',
      '[::1]:80',
      'a?',
      'a#',
      'a\\b',
    ]) {
      assert.equal(taken(networkHost(), raw), undefined, raw);
    }
  });

  test('that is taken is a host that the URL parser leaves alone', () => {
    fc.assert(
      fc.property(fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6(), fc.string({ unit: 'binary' })), (text) => {
        const host = taken(networkHost(), text);
        if (host !== undefined) assert.equal(new URL(`http://${String(host)}/`).hostname, host);
      }),
    );
  });
});

test('a database is a PostgreSQL URL with a host or a socket', () => {
  for (const url of [
    'postgres://u:p@db/x',
    'postgresql://db:5433/x?sslmode=require',
    'postgres:///x?host=/run/postgresql',
  ]) {
    assert.equal(taken(databaseUrl(), url), url);
  }
  for (const url of ['mysql://db/x', 'postgres:///x', 'postgres', 'db:5432', 'https://db/x'])
    assert.equal(taken(databaseUrl(), url), undefined);
});

test('a mail server is an smtp or smtps URL without options', () => {
  for (const url of ['smtp://localhost:1025', 'smtps://user:p%40ss@mail.example.com/'])
    assert.equal(taken(smtpUrl(), url), url);
  for (const url of [
    'mail.example.com',
    'http://mail',
    'smtp://',
    'smtp://mail/path',
    'smtp://mail?ignoreTLS=true',
    'smtp://mail#x',
  ]) {
    assert.equal(taken(smtpUrl(), url), undefined, url);
  }
});

test('the sender is one address, and nothing that could add a header or a second address', () => {
  for (const from of [
    'no-reply@example.com',
    'Latchkey <no-reply@localhost>',
    '"Example, Inc." <id@example.com>',
    'Вход <id@example.com>',
  ]) {
    assert.equal(taken(mailSender(), from), from);
  }
  const refused = [
    'example.com',
    'a@b, c@d',
    'A, B <a@b>',
    'a@b\r\nBcc: x@y',
    'A\r\nBcc: x@y <a@b>',
    '"a"b" <a@b>',
    '<a@b',
    'A <a@b> <c@d>',
    'a@b@c',
    'a b@c',
    'A <>',
  ];
  for (const from of refused) assert.equal(taken(mailSender(), from), undefined, from);
});

describe('Redis', () => {
  const redis = redisUrls();

  test('is one server by one URL', () => {
    assert.deepEqual(taken(redis, 'redis://localhost:6379/2'), { kind: 'single', urls: ['redis://localhost:6379/2'] });
    assert.deepEqual(taken(redis, 'rediss://u:p@cache'), { kind: 'single', urls: ['rediss://u:p@cache'] });
  });

  test('is a Cluster by several URLs, all with or all without TLS, in database 0', () => {
    assert.deepEqual(taken(redis, 'redis://a:7000, redis://b:7001/0'), {
      kind: 'cluster',
      urls: ['redis://a:7000', 'redis://b:7001/0'],
    });
    assert.equal(taken(redis, 'redis://a,rediss://b'), undefined);
    assert.equal(taken(redis, 'redis://a,redis://b/1'), undefined);
    assert.equal(taken(redis, 'redis://a,'), undefined);
  });

  test('is Sentinel by its hosts and the name of the master, kept as it was given', () => {
    for (const url of [
      'redis+sentinel://s1/mymaster',
      'redis+sentinel://u:p@S1:26379,s2,[::1]:26380/mymaster/1',
      'rediss+sentinel://:p@s1/my.master-1?sentinel_password=x',
    ]) {
      assert.deepEqual(taken(redis, url), { kind: 'sentinel', urls: [url] });
    }
    for (const rest of ['s1', 's1/', 's1,/m', 's1:x/m', '/m', 's1:99999/m', 's1/m/x', 's1/m#x', 'a@b@c/m']) {
      assert.equal(taken(redis, `redis+sentinel://${rest}`), undefined, rest);
    }
  });

  test('is nothing else', () => {
    for (const url of [
      '',
      'localhost:6379',
      'http://a',
      'redis://',
      'redis://a/x',
      'redis://a/1/2',
      'redis://a#b',
      7,
    ]) {
      assert.equal(taken(redis, url), undefined, String(url));
    }
  });

  test('gives URLs that the URL parser reads, whatever was written', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), fc.constantFrom('redis://', 'rediss://a,rediss://'), (rest, start) => {
        const target = taken(redis, start + rest) as { urls: string[] } | undefined;
        for (const url of target?.urls ?? []) assert.notEqual(new URL(url).hostname, '');
      }),
    );
  });
});
