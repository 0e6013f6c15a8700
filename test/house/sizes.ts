import type { Fault } from './finding.ts';
import type { ReadFile, Rule } from './rule.ts';
import { childOf, nameChain, stringOf, type Visited } from './syntax.ts';

// The first row that matches counts.
const fileLimits = [
  // Nobody writes it; its generator is held to the limits.
  { files: /^client\/generated\.ts$/, maxLines: Number.POSITIVE_INFINITY },
  { files: /^test\/.*\.ts$/, maxLines: 400 },
  { files: /\.ts$/, maxLines: 250 },
  { files: /^README\.md$/, maxLines: 120 },
] as const;
const maxFunctionLines = 60;
const maxColumns = 100;

function findLongFile(file: ReadFile): readonly Fault[] {
  const limit = fileLimits.find(({ files }) => files.test(file.path));
  if (limit === undefined || file.lines.length <= limit.maxLines) return [];
  const what = `${file.lines.length} lines, at most ${limit.maxLines} are allowed`;
  return [{ line: limit.maxLines + 1, what }];
}

const functionTypes: ReadonlySet<string> = new Set([
  'ArrowFunctionExpression',
  'ClassMethod',
  'Constructor',
  'FunctionDeclaration',
  'FunctionExpression',
  'GetterProperty',
  'MethodProperty',
  'PrivateMethod',
  'SetterProperty',
]);
const testBlocks = /^(describe|it|test|beforeAll|beforeEach|afterAll|afterEach)(\.|$)/;

function isTestBlock(path: string, visited: Visited): boolean {
  const call = visited.parent?.node;
  if (!path.startsWith('test/') || call?.type !== 'CallExpression') return false;
  return testBlocks.test(nameChain(call) ?? '');
}

function nameFunction({ node, parent }: Visited): string {
  const holder = parent?.node.type === 'VariableDeclarator' ? childOf(parent.node, 'id') : null;
  const name = childOf(node, 'identifier') ?? childOf(node, 'key') ?? holder;
  return (name === null ? null : stringOf(name, 'value')) ?? 'a function';
}

function findLongFunctions(file: ReadFile): readonly Fault[] {
  return file.nodes.flatMap((visited) => {
    const length = visited.endLine - visited.line + 1;
    if (length <= maxFunctionLines || !functionTypes.has(visited.node.type)) return [];
    if (isTestBlock(file.path, visited)) return [];
    const what = `${nameFunction(visited)} is ${length} lines long, at most ${maxFunctionLines}`;
    return [{ line: visited.line, what }];
  });
}

// The second form keeps the formatter away as well.
const tableMark = /^\s*(\/\/|--) (biome-ignore format: )?table\b/;

function measureIndent(line: string): number {
  return line.length - line.trimStart().length;
}

// A table reaches from its mark to the bracket that closes at the mark's depth or further out.
function listTableLines(lines: readonly string[]): ReadonlySet<number> {
  const tableLines = new Set<number>();
  let depth: number | null = null;
  for (const [index, line] of lines.entries()) {
    if (depth !== null) tableLines.add(index + 1);
    if (depth !== null && measureIndent(line) <= depth && /^\s*[\])}]/.test(line)) depth = null;
    if (tableMark.test(line)) depth = measureIndent(line);
  }
  return tableLines;
}

// A shorter literal fits on a line of its own.
const minLiteralColumns = 60;
const literalTypes: ReadonlySet<string> = new Set([
  'RegExpLiteral',
  'StringLiteral',
  'TemplateLiteral',
]);

function isLongLiteral({ node, line, endLine, column, endColumn }: Visited): boolean {
  if (!literalTypes.has(node.type) || line !== endLine) return false;
  const isLong = endColumn - column >= minLiteralColumns;
  return isLong && column <= maxColumns && endColumn > maxColumns - 2;
}

function findWideLines(file: ReadFile): readonly Fault[] {
  if (!/\.(ts|mts|mjs|js|cjs|sql)$/.test(file.path)) return [];
  const tableLines = listTableLines(file.lines);
  const literalLines = new Set(file.nodes.filter(isLongLiteral).map(({ line }) => line));
  return file.lines.flatMap((text, index) => {
    const line = index + 1;
    const columns = Array.from(text.replace(/https?:\/\/\S+/, '')).length;
    if (columns <= maxColumns || tableLines.has(line) || literalLines.has(line)) return [];
    return [{ line, what: `${columns} columns, at most ${maxColumns} are allowed` }];
  });
}

/** Limits on files, functions and lines. */
export const sizeRules: readonly Rule[] = [
  {
    name: 'file-length',
    remedy: 'cut the file by noun; in README.md, move the detail to docs/',
    find: findLongFile,
  },
  {
    name: 'function-length',
    remedy: 'name its steps and make each a function, or turn its branches into a table',
    find: findLongFunctions,
  },
  {
    name: 'line-width',
    remedy: 'break the line; a table of one row per line is excused by `// table` above it',
    find: findWideLines,
  },
];
