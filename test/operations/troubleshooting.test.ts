import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { WARNING_CODES } from '../../config/warnings.ts';
import { DATABASE_FAULTS } from '../../db/health.ts';

/** docs/troubleshooting.md quotes what processes really say. */
const ROOT = resolve(import.meta.dirname, '../..');
const GUIDE = readFileSync(join(ROOT, 'docs/troubleshooting.md'), 'utf8');
const ROOMS = [
  'api',
  'worker',
  'config',
  'db',
  'domain',
  'providers',
  'activities',
  'temporal',
  'scripts',
];
const SOURCES = ROOMS.flatMap((room) =>
  readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(ts|mjs)$/.test(path))
    .map((path) => readFileSync(join(ROOT, room, path), 'utf8')),
).join('\n');

/** What Node, PostgreSQL, poolers and Temporal say, in their words. */
const FOREIGN = [
  /^ERR_UNKNOWN_FILE_EXTENSION/,
  /^listen EADDRINUSE$/,
  /^unsupported startup parameter/,
  /^Namespace … is not found$/,
  /^NativeCertsNotFound$/,
  /^(\/readyz|\/livez|401|sk_test_|keep|record|callback-evt_…|created|processing|payment_missing)$/,
];

const rows = GUIDE.split('\n').filter((line) =>
  /^\| (?!it says|what you see|warning|-)/.test(line),
);
const quotes = rows.flatMap((row) =>
  [...(row.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, quote = '']) => quote),
);

test('it quotes at least what it did', () => {
  expect(rows.length).toBeGreaterThan(35);
  expect(quotes.length).toBeGreaterThan(40);
});

test.each(quotes.filter((quote) => !FOREIGN.some((foreign) => foreign.test(quote))))(
  '`%s` is in the sources',
  (quote) => {
    // A message with a gap is filled in when it is said.
    const pieces = quote
      .split(/…|"/)
      .map((piece) => piece.trim())
      .filter((piece) => /\w/.test(piece));
    for (const piece of pieces) {
      const [, variable] = /^(MALIPO_MPESA_BASE_URL): /.exec(piece) ?? [];
      const said = variable === undefined ? piece : piece.slice(variable.length + 2);
      expect([said, SOURCES.includes(said)]).toEqual([said, true]);
    }
  },
);

test('every warning, and every fault of the database, stands in it', () => {
  for (const code of [...Object.keys(WARNING_CODES), ...DATABASE_FAULTS]) {
    expect([code, GUIDE.includes(`\`${code}\``)]).toEqual([code, true]);
  }
});
