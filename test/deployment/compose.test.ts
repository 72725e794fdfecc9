// docker-compose.yml, read as Compose reads it. There is no engine in the tests, so what can be proven is what the file promises: who sees what,
// with which rights, and that it refuses to start without the values it needs.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { variables } from './compose-variables.ts';

interface Service {
  readonly image: string;
  readonly user?: string;
  readonly profiles?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly networks?: readonly string[];
  readonly network_mode?: string;
  readonly ports?: readonly string[];
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly cap_drop: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt: readonly string[];
  readonly read_only: boolean;
  readonly restart: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck: { readonly test: readonly string[] };
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>;
  readonly volumes: Readonly<Record<string, null>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

const ROOT = join(import.meta.dirname, '../..');
const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
const compose = parse(text, { merge: true }) as Compose;
const { services } = compose;
const service = (name: string): Service => {
  const found = services[name];
  assert.ok(found, `there is no service ${name}`);
  return found;
};
/** The only one whose volumes belong to root. */
const ROOT_INSIDE = ['caddy'];

describe('docker-compose.yml', () => {
  it('starts Latchkey, PostgreSQL and Valkey, and the rest by profile only', () => {
    const always = Object.keys(services).filter((name) => service(name).profiles === undefined);
    assert.deepEqual(always.toSorted(), ['latchkey', 'postgres', 'valkey']);
    const profiles = new Set(Object.values(services).flatMap(({ profiles = [] }) => profiles));
    assert.deepEqual([...profiles].toSorted(), ['demo', 'mail', 'proxy']);
  });

  for (const name of Object.keys(services)) {
    it(`gives ${name} no rights it does not need`, () => {
      const { user, cap_drop, cap_add = [], security_opt, read_only, restart } = service(name);
      if (ROOT_INSIDE.includes(name)) assert.deepEqual(cap_add, ['NET_BIND_SERVICE']);
      else {
        assert.ok(
          user !== undefined && !/^(?:root|0)\b/.test(user),
          `${name} runs as ${user ?? 'the account of the image'}`,
        );
        assert.deepEqual(cap_add, []);
      }
      assert.deepEqual(cap_drop, ['ALL']);
      assert.ok(security_opt.includes('no-new-privileges:true'));
      assert.equal(read_only, true);
      assert.equal(restart, 'unless-stopped');
    });

    it(`asks ${name} how it is`, () => {
      assert.ok(service(name).healthcheck.test.length > 1);
    });

    it(`names a version of the image of ${name}`, () => {
      const { image } = service(name);
      assert.ok(image === 'latchkey' || /^[a-z/]+:v?\d[\w.]*$/.test(image), image);
    });

    it(`mounts into ${name} only what is declared, and files that exist`, () => {
      for (const volume of service(name).volumes ?? []) {
        const [source = ''] = volume.replace(/\$\{\w+:-([^}]+)\}/, '$1').split(':');
        if (source.startsWith('.')) assert.ok(existsSync(join(ROOT, source)), `${source} does not exist`);
        else assert.ok(source in compose.volumes, `the volume ${source} is not declared`);
      }
      for (const secret of service(name).secrets ?? []) assert.ok(secret in compose.secrets);
    });
  }

  it('keeps the database and Valkey to Latchkey: no ports, and a network without a way out', () => {
    assert.equal(compose.networks['storage']?.internal, true);
    const inside = Object.keys(services).filter((name) => service(name).networks?.includes('storage'));
    assert.deepEqual(inside.toSorted(), ['latchkey', 'postgres', 'valkey']);
    for (const name of ['postgres', 'valkey']) {
      assert.deepEqual(service(name).networks, ['storage']);
      assert.equal(service(name).ports, undefined);
    }
  });

  it('lets the demo share the network of Latchkey, so that localhost is the same to both', () => {
    assert.equal(service('demo').network_mode, 'service:latchkey');
    assert.equal(service('demo').ports, undefined);
    assert.ok(service('latchkey').ports?.includes('127.0.0.1:3002:3002'));
    const [, program = ''] = service('demo').entrypoint ?? [];
    assert.ok(existsSync(join(ROOT, program)), `${program} does not exist`);
  });

  it('opens every port to this machine only, except those of the proxy', () => {
    for (const [name, { ports = [] }] of Object.entries(services)) {
      if (name === 'caddy') assert.deepEqual(ports, ['80:80', '443:443', '443:443/udp']);
      else for (const port of ports) assert.match(port, /^127\.0\.0\.1:/, `${name} opens ${port}`);
    }
  });

  it('mounts PostgreSQL 18 above the folder of its version', () => {
    assert.equal(service('postgres').image, 'postgres:18');
    assert.deepEqual(service('postgres').volumes, ['postgres:/var/lib/postgresql']);
  });

  it('makes Valkey keep everything: append-only and without eviction', () => {
    const command = service('valkey').command ?? [];
    assert.equal(command[command.indexOf('--appendonly') + 1], 'yes');
    assert.equal(command[command.indexOf('--maxmemory-policy') + 1], 'noeviction');
    assert.deepEqual(service('valkey').volumes, ['valkey:/data']);
  });

  it('gives secrets as files, never as values', () => {
    for (const [name, { environment = {} }] of Object.entries(services)) {
      for (const [variable, value] of Object.entries(environment)) {
        if (/SECRET|PASSWORD|DATABASE_URL|SMTP_URL|TOKEN/.test(variable)) {
          assert.match(variable, /_FILE$/, `${name} is given ${variable} as a value`);
          assert.match(value, /^\/run\/secrets\//);
        }
        const secret = /^\/run\/secrets\/(.+)$/.exec(value)?.[1];
        if (secret !== undefined)
          assert.ok(service(name).secrets?.includes(secret), `${name} does not mount ${secret}`);
      }
    }
  });

  it('starts Latchkey after its storage is healthy', () => {
    const { depends_on: needs } = service('latchkey');
    assert.deepEqual(needs, { postgres: { condition: 'service_healthy' }, valkey: { condition: 'service_healthy' } });
  });

  it('asks Latchkey with its own command', () => {
    assert.deepEqual(service('latchkey').healthcheck.test, ['CMD', 'node', 'src/main.ts', 'healthcheck']);
  });

  it('refuses to start without the issuer and the sender of mails, and says what is missing', () => {
    for (const name of ['LATCHKEY_ISSUER', 'LATCHKEY_MAIL_FROM']) {
      const used = variables(text).filter((one) => one.name === name);
      assert.ok(used.length > 0, `${name} is not asked for`);
      for (const { operator, rest } of used) {
        assert.equal(operator, ':?');
        assert.match(rest, /set it in \.env/);
      }
    }
  });

  it('has a guard or a default for every value it is given from outside', () => {
    for (const { name, operator } of variables(text)) assert.match(operator, /^:[-?]$/, `${name} may be empty`);
  });

  it('is given in deploy/compose.env every value that has no default', () => {
    const given = readFileSync(join(ROOT, 'deploy/compose.env'), 'utf8').match(/^[A-Z_]+(?==)/gm);
    const needed = new Set(variables(text).flatMap(({ name, operator }) => (operator === ':?' ? [name] : [])));
    assert.deepEqual(new Set(given), needed);
  });

  it('mounts the secrets that deploy/make-secrets writes, and no others', () => {
    const script = readFileSync(join(ROOT, 'deploy/make-secrets'), 'utf8');
    const written = [...script.matchAll(/^write (\w+)/gm)].map(([, name = '']) => name);
    assert.deepEqual(Object.keys(compose.secrets).toSorted(), written.toSorted());
    for (const [name, { file }] of Object.entries(compose.secrets)) assert.equal(file, `./secrets/${name}`);
  });
});

describe('variables of a Compose file', () => {
  it('are found with their guards and defaults, bare ones and escaped ones too', () => {
    assert.deepEqual(variables('a: ${A:?set it}\nb: ${B:-1}\nc: ${C}\nd: $D\ne: $$E\n# ${F}'), [
      { name: 'A', operator: ':?', rest: 'set it' },
      { name: 'B', operator: ':-', rest: '1' },
      { name: 'C', operator: '', rest: '' },
      { name: 'D', operator: '', rest: '' },
    ]);
  });
});
