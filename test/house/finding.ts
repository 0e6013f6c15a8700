/** A file of the tree as the checks see it: a path from the repository's root, and its text. */
export type TextFile = { readonly path: string; readonly text: string };

/** What one rule says about one line. */
export type Fault = { readonly line: number; readonly what: string };

/** A fault with its place and the way out, ready to be printed. */
export type Finding = Fault & {
  readonly rule: string;
  readonly path: string;
  readonly remedy: string;
};

/** Prints a finding so that an editor can jump to it and a newcomer can mend it. */
export function formatFinding(finding: Finding): string {
  const place = `${finding.path}:${finding.line}`;
  return `${place} [${finding.rule}] ${finding.what}. To remedy: ${finding.remedy}`;
}
