import { parseSync } from '@swc/core';

/** A node of the syntax tree; its other fields are read through `childOf` and `stringOf`. */
export type SyntaxNode = {
  readonly type: string;
  readonly span: { readonly start: number; readonly end: number };
  readonly [key: string]: unknown;
};

/** A node with its place: lines and columns count from one, columns in bytes. */
export type Visited = {
  readonly node: SyntaxNode;
  readonly parent: Visited | null;
  readonly line: number;
  readonly endLine: number;
  readonly column: number;
  readonly endColumn: number;
};

type Place = { readonly line: number; readonly column: number };

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isNode(value: unknown): value is SyntaxNode {
  return isRecord(value) && typeof value.type === 'string' && isRecord(value.span);
}

/** The node below `key`, or null where there is none. */
export function childOf(node: SyntaxNode, key: string): SyntaxNode | null {
  const value = node[key];
  return isNode(value) ? value : null;
}

/** The text below `key`, or null where there is none. */
export function stringOf(node: SyntaxNode, key: string): string | null {
  const value = node[key];
  return typeof value === 'string' ? value : null;
}

/** The nodes of a list below `key`. Call arguments are unwrapped to their expressions. */
export function childrenOf(node: SyntaxNode, key: string): readonly SyntaxNode[] {
  const value = node[key];
  if (!Array.isArray(value)) return [];
  const items: readonly unknown[] = value;
  return items
    .map((item) => (isRecord(item) && !isNode(item) ? item.expression : item))
    .filter(isNode);
}

/** The node without the parentheses around it. */
export function unwrap(node: SyntaxNode): SyntaxNode {
  const inner = node.type === 'ParenthesisExpression' ? childOf(node, 'expression') : null;
  return inner === null ? node : unwrap(inner);
}

// The field that leads one step further towards the first name of a chain.
const chainFields: Readonly<Record<string, string>> = {
  CallExpression: 'callee',
  OptionalChainingExpression: 'base',
  ParenthesisExpression: 'expression',
  TaggedTemplateExpression: 'tag',
};

function nameProperty(node: SyntaxNode | null): string | null {
  if (node?.type === 'Identifier') return stringOf(node, 'value');
  const key = node?.type === 'Computed' ? childOf(node, 'expression') : null;
  return key?.type === 'StringLiteral' ? stringOf(key, 'value') : null;
}

/** A chain such as `it.each(rows).skip` as dotted text (`it.each.skip`); null for anything else. */
export function nameChain(node: SyntaxNode | null): string | null {
  if (node === null) return null;
  if (node.type === 'Identifier') return stringOf(node, 'value');
  if (node.type === 'MemberExpression') {
    const object = nameChain(childOf(node, 'object'));
    const property = nameProperty(childOf(node, 'property'));
    if (object === null || property === null) return null;
    return object === 'globalThis' ? property : `${object}.${property}`;
  }
  const field = chainFields[node.type];
  return field === undefined ? null : nameChain(childOf(node, field));
}

function createLocator(text: string): (offset: number) => Place {
  const lineStarts = [0];
  const bytes = Buffer.from(text);
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) {
    lineStarts.push(at + 1);
  }
  return (offset) => {
    // The parser counts bytes from one.
    const index = lineStarts.findLastIndex((start) => start <= offset - 1);
    return { line: index + 1, column: offset - (lineStarts[index] ?? 0) };
  };
}

function flatten(
  value: unknown,
  parent: Visited | null,
  locate: (offset: number) => Place,
  found: Visited[],
): void {
  if (!isRecord(value)) return;
  let here = parent;
  if (isNode(value)) {
    const start = locate(value.span.start);
    const end = locate(Math.max(value.span.start, value.span.end - 1));
    here = { node: value, parent, ...start, endLine: end.line, endColumn: end.column };
    found.push(here);
  }
  for (const child of Object.values(value)) flatten(child, here, locate, found);
}

/** Every node of a script, outermost first; a text instead, when the script does not parse. */
export function parseScript(path: string, text: string): readonly Visited[] | string {
  try {
    const tree = path.endsWith('ts')
      ? parseSync(text, { syntax: 'typescript', target: 'es2024' })
      : parseSync(text, { syntax: 'ecmascript', target: 'es2024' });
    const found: Visited[] = [];
    flatten(tree, null, createLocator(text), found);
    return found;
  } catch (error) {
    return String(error).split('\n', 1).join('').trim();
  }
}
