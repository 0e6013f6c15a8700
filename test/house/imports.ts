import { posix } from 'node:path';
import type { Fault } from './finding.ts';
import type { ReadFile, Rule } from './rule.ts';
import { childOf, childrenOf, nameChain, type SyntaxNode, stringOf } from './syntax.ts';

type Row = {
  readonly room: string;
  readonly files: RegExp;
  readonly values: readonly string[];
  readonly types: readonly string[];
};

/**
 * Who may import whom; the first row whose `files` match a path counts. `values` may be imported
 * in any way, `types` only by `import type`. A trailing `/` stands for all that lies below, a `*`
 * for any text, `{own}` for the first group of `files`. A file without a row may import nothing.
 */
// biome-ignore format: table, one row per line
export const importTable = [
  { room: 'domain', files: /^domain\//, values: ['domain/'], types: [] },
  { room: 'config', files: /^config\//, values: ['config/', 'domain/', 'zod', 'yaml', 'pino', '@temporalio/envconfig', 'node:fs', 'node:path', 'node:url'], types: [] },
  { room: 'workflows', files: /^workflows\//, values: ['workflows/', 'domain/', '@temporalio/workflow', '@temporalio/common'], types: ['activities/'] },
  { room: 'temporal', files: /^temporal\//, values: ['temporal/', 'domain/', 'config/', 'workflows/messages.ts', '@temporalio/client', '@temporalio/common', 'protobufjs/minimal.js', 'node:timers/promises'], types: [] },
  { room: 'activities', files: /^activities\//, values: ['activities/', 'domain/', 'providers/index.ts', 'db/', 'temporal/', 'workflows/messages.ts', '@temporalio/activity', '@temporalio/common', '@temporalio/client', 'undici', 'ipaddr.js', 'standardwebhooks', 'node:*'], types: [] },
  { room: 'provider registry', files: /^providers\/index\.ts$/, values: ['domain/', 'providers/*/index.ts'], types: [] },
  { room: 'providers, shared', files: /^providers\/shared\//, values: ['providers/shared/', 'domain/', 'undici', 'zod', 'node:*'], types: [] },
  { room: 'simulator', files: /^(providers\/[^/]+\/)simulator/, values: ['{own}simulator*', '{own}fixtures/', 'koa', '@koa/router', 'undici', 'node:*'], types: ['{own}wire.ts'] },
  { room: 'stripe', files: /^(providers\/stripe\/)/, values: ['{own}', 'providers/shared/', 'domain/', 'stripe', 'zod', 'node:*'], types: [] },
  { room: 'provider', files: /^(providers\/[^/]+\/)/, values: ['{own}', 'providers/shared/', 'domain/', 'zod', 'node:*'], types: [] },
  { room: 'db', files: /^db\//, values: ['db/', 'domain/', 'slonik', '@slonik/pg-driver', 'pg', 'rate-limiter-flexible', 'zod', 'node-pg-migrate', 'node:*'], types: ['config/'] },
  { room: 'api', files: /^api\//, values: ['api/', 'domain/', 'config/', 'db/', 'providers/index.ts', 'temporal/', 'workflows/messages.ts', 'koa', 'koa-*', '@koa/*', 'zod', 'zod-openapi', 'pino', 'prom-client', 'jose', '@temporalio/client', 'libphonenumber-js', 'protobufjs/minimal.js', 'ws', 'node:*'], types: ['workflows/'] },
  { room: 'worker', files: /^worker\//, values: ['worker/', 'activities/', 'domain/', 'db/', 'providers/index.ts', 'config/', 'temporal/', 'workflows/messages.ts', '@temporalio/*', 'pino', 'node:*'], types: ['workflows/'] },
  { room: 'client', files: /^client\//, values: ['client/', 'standardwebhooks', 'node:timers/promises'], types: [] },
  { room: 'quickstarts', files: /^docs\/quickstarts\//, values: ['client/index.ts', 'node:*'], types: [] },
  { room: 'sandbox', files: /^sandbox\//, values: ['*'], types: [] },
  { room: 'scripts', files: /^scripts\//, values: ['*'], types: [] },
  { room: 'bench', files: /^bench\//, values: ['*'], types: [] },
  { room: 'test', files: /^test\//, values: ['*'], types: [] },
  { room: 'tool settings', files: /^[^/]+$/, values: ['node:*', 'jest.config.mjs'], types: [] },
] as const satisfies readonly Row[];

type Import = {
  readonly specifier: string | null;
  readonly isType: boolean;
  readonly line: number;
};

function isTypeOnly(node: SyntaxNode): boolean {
  return node.typeOnly === true || node.isTypeOnly === true || node.type === 'TsImportType';
}

// Where each kind of import keeps the name of the module.
const sourceFields: Readonly<Record<string, string>> = {
  ImportDeclaration: 'source',
  ExportAllDeclaration: 'source',
  ExportNamedDeclaration: 'source',
  TsImportType: 'argument',
};

function readSource(node: SyntaxNode): { readonly specifier: string | null } | null {
  const field = sourceFields[node.type];
  if (field !== undefined) {
    const source = childOf(node, field);
    return source === null ? null : { specifier: stringOf(source, 'value') };
  }
  if (node.type === 'TsImportEqualsDeclaration') {
    const reference = childOf(node, 'moduleRef');
    const source = reference === null ? null : childOf(reference, 'expression');
    return source === null ? null : { specifier: stringOf(source, 'value') };
  }
  if (node.type !== 'CallExpression') return null;
  const callee = childOf(node, 'callee');
  if (callee?.type !== 'Import' && nameChain(callee) !== 'require') return null;
  const source = childrenOf(node, 'arguments')[0];
  return { specifier: source?.type === 'StringLiteral' ? stringOf(source, 'value') : null };
}

function listImports(file: ReadFile): readonly Import[] {
  return file.nodes.flatMap(({ node, line }) => {
    const source = readSource(node);
    return source === null ? [] : [{ ...source, isType: isTypeOnly(node), line }];
  });
}

function resolve(path: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  return posix.normalize(posix.join(posix.dirname(path), specifier));
}

function isAllowed(target: string, pattern: string): boolean {
  if (pattern === '*') return true;
  const [start = '', end] = pattern.split('*');
  if (end !== undefined) return target.startsWith(start) && target.endsWith(end);
  if (pattern.endsWith('/')) return target.startsWith(pattern);
  return target === pattern || (!pattern.endsWith('.ts') && target.startsWith(`${pattern}/`));
}

function fillOwn(patterns: readonly string[], own: string): readonly string[] {
  return patterns.map((pattern) => pattern.replace('{own}', own));
}

function judgeImport(path: string, found: Import): string | null {
  const row: Row | undefined = importTable.find(({ files }) => files.test(path));
  if (row === undefined) return 'no row of the import table covers this file';
  const own = row.files.exec(path)?.[1] ?? '';
  const values = fillOwn(row.values, own);
  const types = fillOwn(row.types, own);
  if (found.specifier === null) {
    return values.includes('*') ? null : 'an import whose module is computed cannot be checked';
  }
  const target = resolve(path, found.specifier);
  if (values.some((pattern) => isAllowed(target, pattern))) return null;
  const listed = types.some((pattern) => isAllowed(target, pattern));
  if (listed && found.isType) return null;
  return listed
    ? `${row.room} may import only types of ${target}`
    : `${row.room} may not import ${target}, only ${[...values, ...types].join(', ') || 'nothing'}`;
}

function findImports(file: ReadFile): readonly Fault[] {
  return listImports(file).flatMap((found) => {
    const what = judgeImport(file.path, found);
    return what === null ? [] : [{ line: found.line, what }];
  });
}

/** Keeps the rooms apart: the one rule behind "look in one place". */
export const importRule: Rule = {
  name: 'imports',
  remedy:
    'take it as an argument, move what both need into domain/, write `import type` where only a ' +
    'type is meant, or change the table in test/house/imports.ts and say why in docs/decisions',
  find: findImports,
};
