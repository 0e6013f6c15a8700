import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { wordTable } from '../house/words.ts';

/** What documents name has to be there: files, and the pages that they link to. */
const ROOT = resolve(import.meta.dirname, '../..');
const ROOMS = readdirSync(ROOT, { withFileTypes: true })
  .filter((it) => it.isDirectory() && !it.name.startsWith('.') && it.name !== 'node_modules')
  .map(({ name }) => name);
const DOCS = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...ROOMS.filter((room) => room !== 'test').flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
      .map((name) => join(room, name)),
  ),
];
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** Of a file in one of our rooms; a `<name>` or `*` in it stands for any. */
const FILE = new RegExp(
  `(?<![\\w./-])(?:${ROOMS.join('|')})/[\\w./-]+\\.(?:ts|mjs|sql|ya?ml|md)\\b`,
  'g',
);

test.each(DOCS)('%s names files that exist', (doc) => {
  // The guide's example is a provider that the reader makes.
  const named = (read(doc).match(FILE) ?? []).filter((path) => !path.includes('airtel'));
  expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test.each(DOCS)('%s links to pages that exist', (doc) => {
  const links = [...read(doc).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, to = '']) => to);
  const missing = links.filter((to) => !existsSync(resolve(ROOT, dirname(doc), to)));
  expect(missing).toEqual([]);
});

test('each decision is listed, with its own title', () => {
  const list = read('docs/decisions/README.md');
  const decisions = readdirSync(join(ROOT, 'docs/decisions')).filter((it) => /^\d{4}-/.test(it));
  for (const file of decisions) {
    const [title = ''] = read(`docs/decisions/${file}`).split('\n');
    const name = title.replace(/^# \d{4}( ·)? /, '');
    expect(list).toContain(`[${file.slice(0, 4)}](${file}) | ${name} |`);
  }
});

test('comments name decisions that exist', () => {
  const known = readdirSync(join(ROOT, 'docs/decisions')).map((it) => it.slice(0, 4));
  const cited = DOCS.flatMap((doc) => read(doc).match(/(?<=ADRs? )\d{4}/g) ?? []);
  expect(cited.filter((number) => !known.includes(number))).toEqual([]);
});

test('the glossary lists the words that are refused, as the rule has them', () => {
  const listed = [...read('docs/glossary.md').matchAll(/^\| ([a-z, ]+) \| ([^|]+) \|$/gm)];
  const shown = listed.map(([, words = '', say = '']) => `${words}: ${say}`);
  const refused = wordTable.map(({ words, say }) => `${words.join(', ')}: ${say}`);
  expect(shown).toEqual(expect.arrayContaining(refused));
});
