import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PROVIDER_NAMES } from '../providers/index.ts';
import { loadSimulator } from '../sandbox/simulators.ts';
import { findNameFault } from './provider-name.ts';

/**
 * Makes a provider's folder out of CPay's, its contract tests, its line in the registry and its
 * account's variables: all of it, or nothing. Until somebody writes its client, nothing leaves
 * through it. The walk through it: docs/adding-a-provider.md.
 */
const TEMPLATE = 'cpay';
const REGISTRY = 'providers/index.ts';
const GENERATED = 'docs/generated';
/** Where every variable of an account is named, each on a line of its own. */
const SETTINGS = ['.env.example', 'docker-compose.yml'] as const;
/** What moves money or asks: methods of the client, or functions that it calls. */
const CLIENT = `providers/${TEMPLATE}/client.ts`;
const STEPS = [
  'charge',
  'lookup',
  'capture',
  'cancel',
  'refund',
  'lookupRefund',
  'listProviderRefunds',
] as const;
class Refusal extends Error {}

function requireName(root: string, [name, ...more]: readonly string[]): string {
  if (name === undefined || more.length > 0) {
    throw new Refusal(
      'Usage: npm run new-provider -- NAME, such as: npm run new-provider -- airtel',
    );
  }
  const fault = findNameFault(root, name);
  if (fault !== null) throw new Refusal(`${name}: ${fault}`);
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
  const changed = [REGISTRY, ...SETTINGS, ...listFiles(root, GENERATED)];
  const before = changed.map((path) => [path, read(root, path)] as const);
  try {
    for (const path of templates) {
      const text = rename(read(root, path), name);
      write(root, rename(path, name), adapt(path, text, name, port));
    }
    write(root, REGISTRY, register(read(root, REGISTRY), name));
    for (const path of SETTINGS) write(root, path, addVariables(read(root, path), name));
    runTool(root, 'node_modules/.bin/biome', ['check', '--write', folder, test, REGISTRY]);
    runTool(root, process.execPath, ['scripts/generate.ts']);
  } catch (error) {
    for (const path of [folder, test]) rmSync(join(root, path), { recursive: true, force: true });
    for (const [path, text] of before) write(root, path, text);
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
  const change = {
    [`providers/${TEMPLATE}/simulator.ts`]: () =>
      replaceOnce(text, /\n {2}port: \d+,/, `\n  port: ${port},`),
    [`providers/${TEMPLATE}/index.ts`]: () =>
      replaceOnce(text, /, the mock provider: .*\*\//, ': a copy of the template. */'),
    [`providers/${TEMPLATE}/README.md`]: () =>
      replaceOnce(text, /, the mock provider\n\n[\s\S]*?\n\n/, '\n\nA copy of the template.\n\n'),
    [CLIENT]: () => guard(text, name),
  }[path];
  return change?.() ?? text;
}

/** Lets each step refuse before anything else, so that a copy moves no money. */
function guard(text: string, name: string): string {
  const guarded = STEPS.reduce((client, step) => {
    const start = new RegExp(`^(?: {4}|)async (?:function |)${step}\\([\\s\\S]*? \\{\\n`, 'm');
    return replaceOnce(client, start, `$&refuseUnwritten('${step}');\n`);
  }, text);
  return `${guarded}
/** A copy of the template moves no money: its call goes out of each step that is written. */
function refuseUnwritten(step: string): void {
  const message = \`${name}: \${step} is to be written in providers/${name}/client.ts\`;
  throw new ProviderError('misconfigured', message);
}
`;
}

/** One import and one entry. */
function register(registry: string, name: string): string {
  const lastImport = /(import \{ \w+ \} from '\.\/\w+\/index\.ts';\n)(?!import)/;
  const imported = replaceOnce(
    registry,
    lastImport,
    `$1import { ${name} } from './${name}/index.ts';\n`,
  );
  return replaceOnce(imported, /,\n\} as const satisfies Record/, `,\n  ${name}$&`);
}

/** Those of its account, after the template's. */
function addVariables(text: string, name: string): string {
  const templates = new RegExp(`(?:^ *MALIPO_${TEMPLATE.toUpperCase()}_.*\\n)+`, 'm');
  const [lines = ''] = templates.exec(text) ?? [];
  return replaceOnce(text, templates, `$&${rename(lines, name)}`);
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

function read(root: string, path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

function runTool(root: string, command: string, args: readonly string[]): void {
  const done = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (done.status === 0) return;
  throw new Error(`${command} ${args[0]}: ${done.error ?? `${done.stderr}${done.stdout}`}`);
}

function tell(folder: string, test: string): void {
  process.stdout.write(`Made ${folder}/,
${test} and a line in ${REGISTRY}; ${GENERATED}/ names it too, and
${SETTINGS.join(' and ')} name its account’s variables.
It is a copy of ${TEMPLATE}, the mock provider; nothing leaves through it until
${folder}/client.ts is written. What comes next:

  npm test -- ${test}
      its contract tests, which fail
  docs/adding-a-provider.md
      which file answers which question
  npm run check
      types, format, unused code, rules of the house
`);
}

try {
  const { values, positionals } = parseArgs({
    options: { root: { type: 'string' } },
    allowPositionals: true,
  });
  const root = values.root ?? fileURLToPath(new URL('..', import.meta.url));
  const name = requireName(root, positionals);
  await makeProvider(root, name);
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
