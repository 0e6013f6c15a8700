import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PROVIDER_NAMES, PROVIDERS } from '../providers/index.ts';
import { loadSimulator } from '../sandbox/simulators.ts';

/**
 * Makes a provider's folder out of CPay's, its contract tests and its line in the registry: all of
 * it, or nothing. Until somebody writes it, nothing leaves through it. The walk through it:
 * docs/adding-a-provider.md.
 */
const TEMPLATE = 'cpay';
const REGISTRY = 'providers/index.ts';
const NAME = /^[a-z][a-z0-9]{1,11}$/;
/** Words of the language, and what MALIPO_<NAME>_… means already. */
const TAKEN_WORDS = new Set(
  (
    'api public temporal data hash token log policies environment oidc cors trusted home live ' +
    'metrics index contract break case catch class const continue debugger default delete do else ' +
    'enum export extends false finally for function if implements import in instanceof interface ' +
    'let new null package private protected return static super switch this throw true try typeof ' +
    'var void while with yield await async of any string number boolean object symbol never'
  ).split(' '),
);

/** Where the guard goes: above the opening, and first in sending. */
const GUARD_FILE = `providers/${TEMPLATE}/http.ts`;
const GUARD_BEFORE = '/** HTTP to ';
const GUARD_INSIDE = '    async send(call, shape) {\n';

class Refusal extends Error {}

function requireName([name, ...more]: readonly string[]): string {
  if (name === undefined || more.length > 0) {
    throw new Refusal(
      'Usage: npm run new-provider -- NAME, such as: npm run new-provider -- airtel',
    );
  }
  if (!NAME.test(name)) {
    throw new Refusal(`${name}: a name takes 2 to 12 of a–z and 0–9, and begins with a letter`);
  }
  if (TAKEN_WORDS.has(name)) throw new Refusal(`${name}: this word has another meaning here`);
  const isProvider = PROVIDER_NAMES.some((it) => it === name);
  if (isProvider) throw new Refusal(`${name}: this provider is there`);
  for (const { webhook, refundWebhooks } of Object.values(PROVIDERS)) {
    const channels = [webhook, ...refundWebhooks].map(({ channel }) => channel);
    if (channels.includes(name)) throw new Refusal(`${name}: a channel of callbacks has this name`);
  }
  return name;
}

async function makeProvider(root: string, name: string): Promise<void> {
  const folder = `providers/${name}`;
  const test = `test/providers/${name}.test.ts`;
  for (const path of [folder, test]) {
    if (existsSync(join(root, path)))
      throw new Refusal(`${path} is there already; nothing was made`);
  }
  const port = await chooseSimulatorPort();
  const templates = [
    ...listFiles(root, `providers/${TEMPLATE}`),
    `test/providers/${TEMPLATE}.test.ts`,
  ];
  const registry = readFileSync(join(root, REGISTRY), 'utf8');
  try {
    for (const path of templates) {
      const text = readFileSync(join(root, path), 'utf8');
      write(root, rename(path, name), adapt(path, rename(text, name), name, port));
    }
    write(root, REGISTRY, register(registry, name));
    format(root, [folder, test, REGISTRY]);
  } catch (error) {
    for (const path of [folder, test]) rmSync(join(root, path), { recursive: true, force: true });
    write(root, REGISTRY, registry);
    throw error;
  }
  tell(folder, test);
}

function listFiles(root: string, folder: string): readonly string[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(root, '/').length));
}

/** After the highest that a simulator of ours prefers. */
async function chooseSimulatorPort(): Promise<number> {
  const modules = await Promise.all(PROVIDER_NAMES.map(loadSimulator));
  return Math.max(...modules.map(({ SANDBOX }) => SANDBOX.port)) + 1;
}

function rename(text: string, name: string): string {
  const title = name.slice(0, 1).toUpperCase() + name.slice(1);
  return text
    .replaceAll('cpay', name)
    .replaceAll('CPAY', name.toUpperCase())
    .replaceAll('CPay', title);
}

/** What a copy must not share with its template: the port, the introduction, and money's way. */
function adapt(path: string, text: string, name: string, port: number): string {
  if (path === `providers/${TEMPLATE}/simulator.ts`) {
    return replaceOnce(text, /\n {2}port: \d+,/, `\n  port: ${port},`);
  }
  if (path === `providers/${TEMPLATE}/index.ts`) {
    return replaceOnce(text, /, the mock provider: .*\*\//, ': a copy of the template. */');
  }
  if (path !== GUARD_FILE) return text;
  const guard = `/** A copy of the template moves no money: take this out when it is written. */
const IS_WRITTEN: boolean = false;

`;
  const refusal = `      if (!IS_WRITTEN) {
        throw new ProviderError('misconfigured', 'providers/${name} is to be written: see http.ts');
      }
`;
  const guarded = replaceOnce(text, GUARD_BEFORE, `${guard}${GUARD_BEFORE}`);
  return replaceOnce(guarded, GUARD_INSIDE, `${GUARD_INSIDE}${refusal}`);
}

/** One import and one entry. */
function register(registry: string, name: string): string {
  const lastImport = /(import \{ \w+ \} from '\.\/\w+\/index\.ts';\n)(?!import)/;
  const line = `$1import { ${name} } from './${name}/index.ts';\n`;
  const imported = replaceOnce(registry, lastImport, line);
  return replaceOnce(
    imported,
    / \} as const satisfies Record/,
    `, ${name} } as const satisfies Record`,
  );
}

function replaceOnce(text: string, what: string | RegExp, by: string): string {
  const replaced = text.replace(what, by);
  if (replaced !== text) return replaced;
  throw new Error(
    `the template changed: ${String(what)} is not in it; mend scripts/new-provider.ts`,
  );
}

function write(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function format(root: string, paths: readonly string[]): void {
  const biome = join(root, 'node_modules', '.bin', 'biome');
  const done = spawnSync(biome, ['check', '--write', ...paths], { cwd: root, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`biome: ${done.stderr}${done.stdout}`);
}

function tell(folder: string, test: string): void {
  process.stdout.write(`Made ${folder}/, ${test} and a line in ${REGISTRY}.
It is a copy of ${TEMPLATE}, the mock provider; nothing leaves through it yet. What comes next:

  npm test -- ${test}      its contract tests, which fail
  docs/adding-a-provider.md                 which file answers which question
  npm run check                             types, format, unused code, rules of the house
`);
}

try {
  const { values, positionals } = parseArgs({
    options: { root: { type: 'string' } },
    allowPositionals: true,
  });
  const root = values.root ?? fileURLToPath(new URL('..', import.meta.url));
  const name = requireName(positionals);
  await makeProvider(root, name);
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
