import type { Fault } from './finding.ts';
import type { ReadFile, Rule } from './rule.ts';

// Everything that may stand at the top; a newcomer reads this list as the map.
// biome-ignore format: table, grouped by kind
const rootEntries: ReadonlySet<string> = new Set([
  'domain', 'config', 'workflows', 'temporal', 'activities', 'providers', 'db', 'api', 'worker', 'client', 'sandbox', 'bench',
  'web', 'cli', 'docs', 'scripts', 'test', '.ci',
  'README.md', 'CHANGELOG.md', 'STYLE.md', 'LICENSE',
  'package.json', 'package-lock.json', 'tsconfig.json', 'biome.json', 'knip.json',
  'jest.config.mjs', 'jest.house.config.mjs', '.oxlintrc.json', '.editorconfig', '.gitattributes', '.gitignore',
  '.npmrc', '.nvmrc', '.env.example', 'docker-compose.yml', 'Dockerfile', '.dockerignore',
]);

function findRootEntries(file: ReadFile): readonly Fault[] {
  const [entry = ''] = file.path.split('/');
  return rootEntries.has(entry) ? [] : [{ line: 1, what: `${entry} may not stand at the top` }];
}

const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;
// Each has a reason outside this project: a reader expects it, or a tool orders by it.
const namedByOthers = [/^README\.md$/, /^\d{4}_[a-z0-9]+([_-][a-z0-9]+)*\.sql$/];

function isWellNamed(name: string): boolean {
  return kebabCase.test(name) || namedByOthers.some((pattern) => pattern.test(name));
}

function findNames(file: ReadFile): readonly Fault[] {
  // What stands at the top is listed by name already.
  const [, ...names] = file.path.split('/');
  return names
    .filter((name) => !isWellNamed(name))
    .map((name) => ({ line: 1, what: `${name} is not in kebab-case` }));
}

/** Rules on where files stand and how they are called. */
export const nameRules: readonly Rule[] = [
  {
    name: 'root',
    remedy: 'move it into the room it belongs to, or list it in test/house/names.ts with a reason',
    find: findRootEntries,
  },
  {
    name: 'file-names',
    remedy: 'rename it to lower-case words joined by hyphens, a noun for what the file holds',
    find: findNames,
  },
];
