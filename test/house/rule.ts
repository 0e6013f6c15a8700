import type { Fault, TextFile } from './finding.ts';
import { parseScript, type Visited } from './syntax.ts';

/** A file with what the rules need of it, read once. Files that are no scripts have no nodes. */
export type ReadFile = TextFile & {
  readonly lines: readonly string[];
  readonly nodes: readonly Visited[];
  readonly syntaxError: string | null;
};

/** One rule of the house: its name stands in STYLE.md, `mend` closes each of its findings. */
export type Rule = {
  readonly name: string;
  readonly remedy: string;
  readonly find: (file: ReadFile) => readonly Fault[];
};

const scriptNames = /\.(ts|mts|mjs|js|cjs)$/;

/** Splits a file into lines and, where it is a script, into nodes. */
export function readFile(file: TextFile): ReadFile {
  const lines = file.text.replace(/\n$/, '').split('\n');
  const parsed = scriptNames.test(file.path) ? parseScript(file.path, file.text) : [];
  return typeof parsed === 'string'
    ? { ...file, lines, nodes: [], syntaxError: parsed }
    : { ...file, lines, nodes: parsed, syntaxError: null };
}

/** True for recorded or generated text, which speaks the words of others. */
export function isForeignText(path: string): boolean {
  return /(^|\/)(fixtures|histories)\/|^package-lock\.json$/.test(path);
}

/** The lines that match, each with the text that matched. */
export function matchLines(
  lines: readonly string[],
  pattern: RegExp,
  describe: (match: string) => string,
): readonly Fault[] {
  return lines.flatMap((text, index) => {
    const match = pattern.exec(text);
    return match === null ? [] : [{ line: index + 1, what: describe(match[0]) }];
  });
}
