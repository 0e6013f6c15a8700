import { codeRules } from './code.ts';
import type { Finding, TextFile } from './finding.ts';
import { importRule } from './imports.ts';
import { nameRules } from './names.ts';
import { type Rule, readFile } from './rule.ts';
import { sizeRules } from './sizes.ts';
import { wordRules } from './words.ts';

/** Every rule of the house; STYLE.md gives the reason of each. */
export const rules: readonly Rule[] = [
  importRule,
  ...sizeRules,
  ...nameRules,
  ...wordRules,
  ...codeRules,
];

/** What the rules say about these files. Reads nothing but its argument. */
export function inspect(files: readonly TextFile[]): readonly Finding[] {
  return files
    .map(readFile)
    .flatMap((file) =>
      rules.flatMap(({ name, remedy, find }) =>
        find(file).map((fault) => ({ ...fault, rule: name, path: file.path, remedy })),
      ),
    );
}
