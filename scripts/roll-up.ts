/** One declaration of a `.d.ts` that the compiler wrote, with the comment above it. */
type Declaration = { readonly name: string; readonly text: string; readonly isExported: boolean };
type Exports = { readonly values: readonly string[]; readonly types: readonly string[] };

/**
 * Makes one file of the declarations of a package: what `entry` exports, and what that stands on.
 * It reads what the compiler writes, where a declaration begins in the first column and what
 * belongs to it does not, and our own rules: each module exports by name and renames nothing.
 * @param files the text of each module, by its name without an extension.
 * @throws Error for what does not follow these rules, such as a type of another package.
 */
export function rollUp(files: ReadonlyMap<string, string>, entry: string): string {
  const modules = [...files].filter(([name]) => name !== entry);
  const declarations = index(modules.flatMap(([name, text]) => readDeclarations(name, text)));
  const { values, types } = readExports(files, entry);
  const used = closeOver(declarations, [...values, ...types]);
  const bodies = [...declarations.values()].filter(({ name }) => used.has(name));
  return [
    ...bodies.map(({ text }) => text),
    `export { ${values.toSorted().join(', ')} };`,
    `export type { ${types.toSorted().join(', ')} };`,
    '',
  ].join('\n');
}

const NAMED = /^(export )?(?:declare )?(?:abstract )?(?:class|const|function|interface|type) (\w+)/;
/** The end of a declaration: of several lines, or of one. */
const ENDS = /^\}|^\S.*;$/;
const IS_COMMENT = /^(\/\*\*| \*)/;

function readDeclarations(module: string, text: string): readonly Declaration[] {
  const found: Declaration[] = [];
  let lines: string[] = [];
  for (const line of text.split('\n')) {
    if (lines.length === 0 && isLink(line)) continue;
    lines.push(line);
    if (!ENDS.test(line) || IS_COMMENT.test(line)) continue;
    found.push(toDeclaration(module, lines));
    lines = [];
  }
  const rest = lines.join('').trim();
  if (rest !== '') throw new Error(`${module}: nothing ends ${rest}`);
  return found;
}

/** What ties modules together falls away; what is tied to another package cannot. */
function isLink(line: string): boolean {
  return line.trim() === '' || line.startsWith('//') || line === 'export {};' || LINK.test(line);
}
const LINK = /^(import|export) .*from '\.\/[\w-]+\.ts';$/;

function toDeclaration(module: string, lines: readonly string[]): Declaration {
  const head = lines.find((line) => !IS_COMMENT.test(line)) ?? '';
  const [, exported, name] = NAMED.exec(head) ?? [];
  if (name === undefined) throw new Error(`${module}: cannot be rolled up: ${head}`);
  const text = lines.map((line) => (line === head ? line.replace(/^export /, '') : line));
  return { name, text: text.join('\n'), isExported: exported !== undefined };
}

function index(all: readonly Declaration[]): ReadonlyMap<string, Declaration> {
  const byName = new Map<string, Declaration>();
  for (const declaration of all) {
    if (byName.has(declaration.name)) throw new Error(`${declaration.name} is declared twice`);
    byName.set(declaration.name, declaration);
  }
  return byName;
}

/** `export { A, type B } from './a.ts'`, and `export type * from './b.ts'`. */
const LIST = /^export (type )?\{ (.*) \} from '\.\/[\w-]+\.ts';$/gm;
const ALL_TYPES = /^export type \* from '\.\/([\w-]+)\.ts';$/gm;

function readExports(files: ReadonlyMap<string, string>, entry: string): Exports {
  const text = files.get(entry);
  if (text === undefined) throw new Error(`there is no ${entry}`);
  const named = [...text.matchAll(LIST)].flatMap(([, type = '', list = '']) =>
    list.split(', ').map((item) => `${type}${item}`),
  );
  const types = [...text.matchAll(ALL_TYPES)].flatMap(([, module = '']) => [
    ...readExports(files, module).types,
    ...readDeclarations(module, files.get(module) ?? '')
      .filter(({ isExported }) => isExported)
      .map(({ name }) => name),
  ]);
  return {
    values: named.filter((it) => !it.startsWith('type ')),
    types: [...named.filter((it) => it.startsWith('type ')).map((it) => it.slice(5)), ...types],
  };
}

/** The names, and every name of ours that they stand on. */
function closeOver(
  declarations: ReadonlyMap<string, Declaration>,
  names: readonly string[],
): ReadonlySet<string> {
  const used = new Set(names);
  // A set goes on over what is added meanwhile.
  for (const name of used) {
    const text = declarations.get(name)?.text;
    if (text === undefined) throw new Error(`${name} is exported and not declared`);
    const words = text.replace(/\/\*\*.*?\*\//gs, '').match(/\b[A-Z]\w*/g) ?? [];
    for (const word of words) if (declarations.has(word)) used.add(word);
  }
  return used;
}
