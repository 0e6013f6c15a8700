import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TextFile } from './finding.ts';

const ignoredNames: ReadonlySet<string> = new Set([
  '.git',
  '.malipo',
  'coverage',
  'dist',
  'node_modules',
]);

function listByGit(root: string): readonly string[] {
  try {
    const options = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
    const listed = execFileSync('git', options, {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return listed.split('\0').filter((path) => path !== '');
  } catch {
    return [];
  }
}

function listByWalk(root: string): readonly string[] {
  return readdirSync(root, { withFileTypes: true }).flatMap((entry) => {
    if (ignoredNames.has(entry.name) || entry.name.endsWith('.log')) return [];
    if (!entry.isDirectory()) return [entry.name];
    return listByWalk(join(root, entry.name)).map((path) => `${entry.name}/${path}`);
  });
}

/**
 * The text files of the working tree: tracked, and new ones that are not ignored. Without git, or
 * in a copy that git does not know, the folders are read: an empty list would pass anything.
 */
export function readTree(root: string): readonly TextFile[] {
  const known = listByGit(root);
  const paths = known.includes('package.json') ? known : listByWalk(root);
  return [...new Set(paths)]
    .filter((path) => existsSync(join(root, path)) && lstatSync(join(root, path)).isFile())
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
    .filter(({ text }) => !text.includes('\0'));
}
