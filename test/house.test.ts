import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatFinding, type TextFile } from './house/finding.ts';
import { inspect, rules } from './house/house.ts';
import { nearMisses, violations } from './house/planted.ts';
import { readTree } from './house/tree.ts';

const root = join(import.meta.dirname, '..');
const ruleNames = rules.map(({ name }) => name);

function label<Row extends TextFile & { readonly rule: string }>(row: Row): [string, Row] {
  return [`${row.rule}: ${row.path}: ${row.text.slice(0, 70).replaceAll('\n', ' ')}`, row];
}

describe('the tree', () => {
  const files = readTree(root);
  const findings = inspect(files);

  it('is read at all', () => {
    const paths = files.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['package.json', 'test/house.test.ts']));
  });

  it.each(ruleNames)('keeps the rule %s', (rule) => {
    expect(findings.filter((finding) => finding.rule === rule).map(formatFinding)).toEqual([]);
  });
});

describe('a planted violation', () => {
  it.each(violations.map(label))('is refused: %s', (_label, { rule, path, text, line }) => {
    const found = inspect([{ path, text }]);
    expect(found.map((finding) => [finding.rule, finding.line])).toEqual([[rule, line]]);
  });

  it.each(ruleNames)('exists for the rule %s', (rule) => {
    expect(violations.some((row) => row.rule === rule)).toBe(true);
  });
});

describe('a near miss', () => {
  it.each(nearMisses.map(label))('passes: %s', (_label, { path, text }) => {
    expect(inspect([{ path, text }])).toEqual([]);
  });

  it.each(ruleNames)('exists for the rule %s', (rule) => {
    expect(nearMisses.some((row) => row.rule === rule)).toBe(true);
  });
});

describe('STYLE.md', () => {
  it('gives every rule one row, in the order of the checks', () => {
    const style = readFileSync(join(root, 'STYLE.md'), 'utf8');
    const rows = [...style.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name]) => name);
    expect(rows).toEqual(ruleNames);
  });
});
