import type { Fault } from './finding.ts';
import type { ReadFile, Rule } from './rule.ts';
import { childOf, childrenOf, nameChain, type SyntaxNode, stringOf, unwrap } from './syntax.ts';

function findNodes(file: ReadFile, judge: (node: SyntaxNode) => string | null): readonly Fault[] {
  return file.nodes.flatMap(({ node, line }) => {
    const what = judge(node);
    return what === null ? [] : [{ line, what }];
  });
}

function isKeyword(node: SyntaxNode | null, kind: string): boolean {
  return node?.type === 'TsKeywordType' && node.kind === kind;
}

function judgeAny(node: SyntaxNode): string | null {
  return isKeyword(node, 'any') ? '`any` switches the compiler off' : null;
}

const castTypes: ReadonlySet<string> = new Set(['TsAsExpression', 'TsTypeAssertion']);

function judgeCast(node: SyntaxNode): string | null {
  const inner = castTypes.has(node.type) ? childOf(node, 'expression') : null;
  if (inner === null) return null;
  const source = unwrap(inner);
  const isLaundered =
    castTypes.has(source.type) && isKeyword(childOf(source, 'typeAnnotation'), 'unknown');
  return isLaundered ? 'a cast by way of `unknown` lets any lie through' : null;
}

const environmentReaders =
  /^(config\/env\.ts$|sandbox\/|scripts\/|bench\/|test\/|docs\/quickstarts\/)/;

function judgeEnvironment(node: SyntaxNode): string | null {
  const what = 'the environment is read here';
  if (node.type === 'MemberExpression' && nameChain(node) === 'process.env') return what;
  if (node.type === 'VariableDeclarator' && childOf(node, 'id')?.type === 'ObjectPattern') {
    return nameChain(childOf(node, 'init')) === 'process' ? what : null;
  }
  if (node.type !== 'ImportDeclaration') return null;
  const source = childOf(node, 'source');
  const module = source === null ? null : stringOf(source, 'value');
  if (module !== 'node:process' && module !== 'process') return null;
  const names = childrenOf(node, 'specifiers').map((specifier) => {
    const name = childOf(specifier, 'imported') ?? childOf(specifier, 'local');
    return name === null ? null : stringOf(name, 'value');
  });
  return names.includes('env') ? what : null;
}

const printers = /^(sandbox|scripts|bench|docs\/quickstarts)\//;

function judgeConsole(node: SyntaxNode): string | null {
  const name = node.type === 'MemberExpression' ? nameChain(node) : null;
  return name?.startsWith('console.') ? `${name} writes past the log` : null;
}

// A call by one of these names, or a reach into one of these objects, reads the outer world.
const ambientCalls =
  /^(Date(\.now)?|Math\.random|set(Timeout|Interval|Immediate)|queueMicrotask|fetch)$/;
const ambientObjects = /^(performance|crypto|process)\./;

function judgeAmbient(node: SyntaxNode): string | null {
  const isCall = node.type === 'CallExpression' || node.type === 'NewExpression';
  const called = isCall ? nameChain(childOf(node, 'callee')) : null;
  if (called !== null && ambientCalls.test(called)) return `${called}() reads the outer world`;
  const reached = node.type === 'MemberExpression' ? nameChain(node) : null;
  return reached !== null && ambientObjects.test(reached) ? `${reached} is the outer world` : null;
}

const switchedOff = /^(describe|it|test)\b.*\.(skip|todo)$|^(xit|xtest|xdescribe)$/;
const switchedAlone = /^(describe|it|test)\b.*\.only$|^(fit|fdescribe)$/;

function findSkips(file: ReadFile): readonly Fault[] {
  if (!file.path.startsWith('test/')) return [];
  return file.nodes.flatMap(({ node, parent, line }) => {
    const isName = node.type === 'MemberExpression' || parent?.node.type === 'CallExpression';
    const name = isName && node.type !== 'CallExpression' ? nameChain(node) : null;
    if (name === null) return [];
    if (switchedAlone.test(name)) return [{ line, what: `${name} silences every other test` }];
    if (!switchedOff.test(name)) return [];
    const comments = `${file.lines[line - 2] ?? ''}\n${file.lines[line - 1] ?? ''}`;
    return /\/\/ reason: \S+/.test(comments) ? [] : [{ line, what: `${name} gives no reason` }];
  });
}

const offset = /\boffset\b/i;
const countAll = /\bcount\s*\(\s*(\*|1)\s*\)/i;

function judgeSql(text: string): string | null {
  if (countAll.test(text)) return 'counting a whole table grows slower with every payment';
  return offset.test(text) ? 'OFFSET reads and throws away every earlier row' : null;
}

function readLiteral(node: SyntaxNode): string {
  if (node.type === 'TemplateElement') return stringOf(node, 'raw') ?? '';
  return node.type === 'StringLiteral' ? (stringOf(node, 'value') ?? '') : '';
}

function findSql(file: ReadFile): readonly Fault[] {
  if (!file.path.startsWith('db/')) return [];
  const texts = file.path.endsWith('.sql')
    ? [{ text: file.text.replace(/--.*$/gm, ''), line: 1 }]
    : file.nodes.map(({ node, line }) => ({ text: readLiteral(node), line }));
  return texts.flatMap(({ text, line }) =>
    text.split('\n').flatMap((part, index) => {
      const what = judgeSql(part);
      return what === null ? [] : [{ line: line + index, what }];
    }),
  );
}

/** Rules on the code itself, read from its syntax tree and not from its letters. */
export const codeRules: readonly Rule[] = [
  {
    name: 'syntax',
    remedy: 'mend the syntax: a file that does not parse is not checked',
    find: ({ syntaxError }) => (syntaxError === null ? [] : [{ line: 1, what: syntaxError }]),
  },
  {
    name: 'any',
    remedy: 'name the type, or take `unknown` and narrow it',
    find: (file) => findNodes(file, judgeAny),
  },
  {
    name: 'casts',
    remedy: 'parse with zod at the border, or narrow with a type guard',
    find: (file) => findNodes(file, judgeCast),
  },
  {
    name: 'environment',
    remedy: 'add the setting to config/env.ts and take it as an argument',
    find: (file) => (environmentReaders.test(file.path) ? [] : findNodes(file, judgeEnvironment)),
  },
  {
    name: 'console',
    remedy:
      'log through config/log.ts; only sandbox/, scripts/, bench/ and quickstarts speak to a terminal',
    find: (file) => (printers.test(file.path) ? [] : findNodes(file, judgeConsole)),
  },
  {
    name: 'purity',
    remedy: 'take the time, the random bytes or the answer as an argument',
    find: (file) => (file.path.startsWith('domain/') ? findNodes(file, judgeAmbient) : []),
  },
  {
    name: 'skipped-tests',
    remedy: 'run it, delete it, or write `// reason: ...` above it (never for `only`)',
    find: findSkips,
  },
  {
    name: 'sql',
    remedy: 'page by key with `limit + 1`, and keep totals as rows of their own',
    find: findSql,
  },
];
