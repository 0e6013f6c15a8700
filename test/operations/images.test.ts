import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { parse } from 'yaml';
import { migrate } from '../../db/migrate.ts';
import { openPool } from '../../db/pool.ts';
import { createEmptyDatabase } from '../database.ts';

/**
 * docker-compose.yml and the Dockerfile against what each image is known to want: paths, variables,
 * ports, programs. Nothing runs here, so what is known was read from the images' own sources.
 */
const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

type Mount = {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly read_only?: boolean;
  readonly bind?: { readonly create_host_path?: boolean };
};
type Service = {
  readonly image: string;
  readonly build?: string;
  readonly pull_policy?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly (string | Mount)[];
  readonly ports?: readonly string[];
  readonly command?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly logging?: { readonly driver: string; readonly options: object };
  readonly mem_limit?: string;
  readonly depends_on?: Readonly<Record<string, object>>;
};
const compose: { readonly services: Readonly<Record<string, Service>>; readonly volumes: object } =
  parse(read('docker-compose.yml'), { merge: true });
const services = Object.entries(compose.services);
const get = (name: string): Service => {
  const service = compose.services[name];
  if (service === undefined) throw new Error(`no service ${name}`);
  return service;
};

const targetsOf = ({ volumes = [] }: Service) =>
  volumes.map((volume) => (typeof volume === 'string' ? volume.split(':')[1] : volume.target));
const textOf = ({ command = [], healthcheck }: Service) =>
  [...command, ...(healthcheck?.test ?? [])].join(' ');

type Contract = {
  readonly image: RegExp;
  /** What the image's own start script reads; another name would be ignored without a word. */
  readonly variables: readonly string[];
  /** Where something must be mounted. */
  readonly paths: readonly string[];
  /** What its commands and its health check must say. */
  readonly says: readonly string[];
  /** Where it listens, if we publish it. */
  readonly port?: number;
};

const SCHEMAS = '/etc/temporal/schema/postgresql/v12/$$name/versioned';
const CONTRACTS: Readonly<Record<string, Contract>> = {
  // docker-library/postgres: since 18 the volume is the folder above PGDATA; while it makes the
  // database its server listens on the socket only.
  postgres: {
    image: /^postgres:18$/,
    variables: ['POSTGRES_USER', 'POSTGRES_PASSWORD', 'POSTGRES_DB'],
    paths: ['/var/lib/postgresql'],
    says: ['pg_isready -h 127.0.0.1', 'max_connections=200'],
  },
  'database-roles': {
    image: /^postgres:18$/,
    variables: ['PGHOST', 'PGUSER', 'PGPASSWORD', 'PGDATABASE'],
    paths: [],
    says: ['psql ', 'ON_ERROR_STOP=1', 'ALTER DATABASE malipo OWNER TO malipo_migrate'],
  },
  // temporalio/temporal, docker/: the template it renders its settings from, and entrypoint.sh.
  // The file of dynamic settings that the template names is not in the image.
  temporal: {
    image: /^temporalio\/server:1\.\d+\.\d+$/,
    variables: [
      'DB',
      'DB_PORT',
      'POSTGRES_SEEDS',
      'POSTGRES_USER',
      'POSTGRES_PWD',
      'BIND_ON_IP',
      'DYNAMIC_CONFIG_FILE_PATH',
    ],
    paths: ['/etc/temporal/config/dynamicconfig/malipo.yaml'],
    says: ['nc -z localhost 7233'],
  },
  // temporalio/temporal, docker/targets/admin-tools: the tools, and the schemas beside them.
  'temporal-schema': {
    image: /^temporalio\/admin-tools:1\.\d+\.\d+$/,
    variables: ['SQL_PLUGIN', 'SQL_HOST', 'SQL_PORT', 'SQL_USER', 'SQL_PASSWORD'],
    paths: [],
    says: ['temporal-sql-tool --db', 'setup-schema -v 0.0', 'update-schema', SCHEMAS],
  },
  'temporal-namespace': {
    image: /^temporalio\/admin-tools:1\.\d+\.\d+$/,
    variables: ['TEMPORAL_ADDRESS'],
    paths: [],
    says: ['temporal operator namespace describe', 'temporal operator namespace create'],
  },
  'temporal-ui': {
    image: /^temporalio\/ui:2\.\d+\.\d+$/,
    variables: ['TEMPORAL_ADDRESS'],
    paths: [],
    says: [],
    port: 8080,
  },
  migrate: {
    image: /^malipo:local$/,
    variables: ['MALIPO_MIGRATE_DATABASE_URL'],
    paths: [],
    says: ['node scripts/migrate.ts'],
  },
  worker: {
    image: /^malipo:local$/,
    variables: ['DATABASE_URL', 'TEMPORAL_ADDRESS', 'MALIPO_POLICIES'],
    paths: ['/etc/malipo/policies.yaml'],
    says: ['node worker/main.ts', '127.0.0.1:8081/readyz'],
  },
  api: {
    image: /^malipo:local$/,
    variables: ['DATABASE_URL', 'TEMPORAL_ADDRESS', 'MALIPO_POLICIES', 'MALIPO_API_PORT'],
    paths: ['/etc/malipo/policies.yaml'],
    says: ['node api/main.ts', 'http://127.0.0.1:8080/readyz'],
    port: 8080,
  },
};

test('each service has a contract', () => {
  expect(services.map(([name]) => name).toSorted()).toEqual(Object.keys(CONTRACTS).toSorted());
});

test.each(Object.entries(CONTRACTS))('%s gets what its image wants', (name, contract) => {
  const service = get(name);
  expect(service.image).toMatch(contract.image);
  expect(Object.keys(service.environment ?? {})).toEqual(
    expect.arrayContaining([...contract.variables]),
  );
  expect(targetsOf(service)).toEqual(expect.arrayContaining([...contract.paths]));
  for (const words of contract.says) expect(textOf(service)).toContain(words);
  const published = (service.ports ?? []).map((port) => Number(port.split(':').at(-1)));
  expect(published).toEqual(contract.port === undefined ? [] : [contract.port]);
});

test('the server of Temporal and its tools are of one version', () => {
  const [, version] = get('temporal').image.split(':');
  for (const name of ['temporal-schema', 'temporal-namespace']) {
    expect(get(name).image).toBe(`temporalio/admin-tools:${version}`);
  }
});

test('Temporal’s file of dynamic settings is there, and is where the server looks', () => {
  const temporal = get('temporal');
  const path = temporal.environment?.DYNAMIC_CONFIG_FILE_PATH;
  const mount = (temporal.volumes ?? []).find((it) => typeof it === 'object' && it.target === path);
  expect(mount).toBeDefined();
  const { source } = typeof mount === 'object' ? mount : { source: '' };
  expect(parse(read(source))).toEqual({
    'matching.enableFairness': [{ value: true }],
    'matching.numTaskqueueReadPartitions': [{ value: 1 }],
    'matching.numTaskqueueWritePartitions': [{ value: 1 }],
  });
});

test('a bound file that is missing is an error, and none is written to', () => {
  const binds = services.flatMap(([name, { volumes = [] }]) =>
    volumes.flatMap((it) => (typeof it === 'object' ? [{ name, ...it }] : [])),
  );
  expect(binds.length).toBeGreaterThan(3);
  for (const { name, target, type, source, read_only, bind } of binds) {
    const strict = { type: 'bind', read_only: true, bind: { create_host_path: false } };
    expect({ name, target, type, read_only, bind }).toEqual({ name, target, ...strict });
    const [, otherwise = source] = /^\$\{\w+:-(.+)\}$/.exec(source) ?? [];
    expect([otherwise, existsSync(resolve(ROOT, otherwise))]).toEqual([otherwise, true]);
  }
});

test('whatever a service binds by a variable is read where it is bound', () => {
  for (const name of ['worker', 'api']) {
    const { volumes = [], environment = {} } = get(name);
    for (const volume of volumes) {
      if (typeof volume === 'string') continue;
      const [, variable = ''] = /^\$\{(\w+):/.exec(volume.source) ?? [];
      expect([variable, environment[variable]]).toEqual([
        variable,
        expect.stringMatching(
          new RegExp(`^(\\$\\{${variable}:\\+)?${volume.target.replaceAll('.', '\\.')}\\}?$`),
        ),
      ]);
    }
  }
});

test.each(services)('%s neither fills the disk with its log nor takes all memory', (_, service) => {
  expect(service.logging).toEqual({
    driver: 'json-file',
    options: { 'max-size': '10m', 'max-file': '5' },
  });
  expect(service.mem_limit).toMatch(/^\d+(m|g)$/);
});

test('one service builds our image, and every other one waits for it', () => {
  const ours = services.filter(([, { image }]) => image === 'malipo:local');
  expect(ours.length).toBeGreaterThan(2);
  const builders = services.flatMap(([name, { build }]) => (build === undefined ? [] : [name]));
  expect(builders).toEqual(['migrate']);
  const waitsFor = (name: string): readonly string[] =>
    Object.keys(get(name).depends_on ?? {}).flatMap((other) => [other, ...waitsFor(other)]);
  for (const [name, { pull_policy }] of ours) {
    if (name === 'migrate') continue;
    expect([name, pull_policy]).toEqual([name, 'never']);
    expect(waitsFor(name)).toContain('migrate');
  }
});

test('what runs for long has a health check', () => {
  const long = ['postgres', 'temporal', 'worker', 'api'];
  for (const name of long) expect([name, get(name).healthcheck]).toEqual([name, expect.anything()]);
});

test('its logins are made before the tables, and their owner is no superuser', async () => {
  const script = get('database-roles').command?.join('\n') ?? '';
  const [, statements = ''] = /<<'SQL'\n([\s\S]*?)\nSQL\n/.exec(script) ?? [];
  const { adminUrl, drop } = await createEmptyDatabase();
  const server = new pg.Client({ connectionString: adminUrl });
  await server.connect();
  const as = (login: string) => {
    const url = new URL(adminUrl);
    url.username = login;
    return url.toString();
  };
  try {
    // psql puts the passwords in; a second start changes nothing but those.
    for (const password of ['first', 'second']) {
      const filled = statements.replaceAll(/:'\w+'/g, `'${password}'`);
      await server.query(filled.replace('DATABASE malipo', `DATABASE ${server.database}`));
    }
    const { rows } = await server.query(
      `SELECT rolname AS name, rolpassword ~ '^SCRAM' AS sealed
       FROM pg_authid WHERE rolname ~ '^malipo_(migrate|app|report)$' AND rolcanlogin
         AND NOT (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication)
       ORDER BY 1`,
    );
    expect(rows).toEqual([
      { name: 'malipo_app', sealed: true },
      { name: 'malipo_migrate', sealed: true },
      { name: 'malipo_report', sealed: true },
    ]);
    await migrate(as('malipo_migrate'));
    const app = { databaseUrl: as('malipo_app'), size: 1, statementTimeoutMs: 5_000 };
    await (await openPool(app)).end();
    const owner = { ...app, databaseUrl: as('malipo_migrate') };
    await expect(openPool(owner)).rejects.toThrow('owns the database or its tables');
    const report = new pg.Client({ connectionString: as('malipo_report') });
    await report.connect();
    const read = await report.query('SELECT status, sum(amount) FROM payments GROUP BY status');
    await report.end();
    expect(read.rows).toEqual([]);
  } finally {
    await server.query(
      'REASSIGN OWNED BY malipo_migrate TO malipo; DROP OWNED BY malipo_migrate; DROP ROLE malipo_migrate',
    );
    await server.end();
    await drop();
  }
}, 60_000);

describe('the image', () => {
  const dockerfile = read('Dockerfile');
  const harnesses = dockerfile.split(/^(?=FROM )/m).slice(1);
  const last = harnesses.at(-1) ?? '';

  test('has the Node that everything is tested with', () => {
    const [, minor = ''] = /^(\d+\.\d+)\./.exec(read('.nvmrc')) ?? [];
    for (const harness of harnesses) expect(harness).toMatch(`FROM node:${minor}-bookworm-slim`);
  });

  test('knows the public authorities, for Temporal by TLS', () => {
    expect(last).toMatch(/apt-get install .*\bca-certificates\b/);
  });

  test('carries its license', () => {
    expect(last).toMatch(/^COPY LICENSE /m);
  });

  test('keeps the library of its own platform and of no other', () => {
    const [, kept = ''] = /find \. .*! -name "([^"]+)"/.exec(dockerfile) ?? [];
    const releases = readdirSync(join(ROOT, 'node_modules/@temporalio/core-bridge/releases'));
    // What `uname -m` says on the platforms of the image.
    for (const machine of ['x86_64', 'aarch64']) {
      expect(releases).toContain(kept.replace('$(uname -m)', machine));
    }
  });

  test('can be read by the user it runs as, whatever the umask of the checkout was', () => {
    const copied = [...last.matchAll(/^COPY (?!--from)(\S+) /gm)].map(([, path]) => path);
    const [, opened = ''] = /chmod -R a\+rX ([\s\S]*?)&&/.exec(last) ?? [];
    const paths = opened.replaceAll('\\\n', ' ').trim().split(/\s+/);
    expect(copied.filter((path) => path !== 'package.json')).not.toEqual([]);
    for (const path of copied) expect(paths).toContain(path);
  });
});

test('the image has every room that what runs in it imports', () => {
  const copied = read('Dockerfile').match(/(?<=^COPY )\w+(?= \.\/)/gm) ?? [];
  const kept = read('.dockerignore').match(/(?<=^!)\w+$/gm) ?? [];
  const imported = copied
    .filter((room) => !['scripts', 'LICENSE', 'package'].includes(room))
    .flatMap((room) => listFiles(join(ROOT, room)))
    .filter((file) => file.endsWith('.ts') && !file.includes('simulator'))
    .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/ from '(?:\.\.\/)+(\w+)\//g)])
    .map(([, room]) => room);
  const rooms = readdirSync(ROOT, { withFileTypes: true }).filter((it) => it.isDirectory());
  const needed = rooms.map(({ name }) => name).filter((name) => imported.includes(name));
  expect(copied).toEqual(expect.arrayContaining(needed));
  expect(kept).toEqual(expect.arrayContaining(needed));
});

function listFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
