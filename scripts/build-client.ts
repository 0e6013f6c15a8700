import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rollUp } from './roll-up.ts';

/**
 * `npm run build-client` writes client/dist, which `npm pack` takes: JavaScript for `import` and
 * for `require`, and one file of types for each.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CLIENT = join(ROOT, 'client');
const COMMON_JS = ['--module', 'commonjs', '--moduleResolution', 'bundler'];

// Whoever reads client/dist meanwhile finds the old one or the new one, not a half.
const folder = mkdtempSync(join(tmpdir(), 'malipo-client-'));
try {
  build(folder);
  rmSync(join(CLIENT, 'dist'), { recursive: true, force: true });
  cpSync(folder, join(CLIENT, 'dist'), { recursive: true });
} finally {
  rmSync(folder, { recursive: true });
}

function build(into: string): void {
  const [esm, cjs] = [join(into, 'esm'), join(into, 'cjs')];
  compile(esm, ['--declaration']);
  compile(cjs, [...COMMON_JS, '--verbatimModuleSyntax', 'false']);
  copyFileSync(join(ROOT, 'LICENSE'), join(into, 'LICENSE'));
  writeFileSync(join(cjs, 'package.json'), '{ "type": "commonjs" }\n');
  const types = rollUp(takeDeclarations(esm), 'index');
  for (const name of ['index.d.ts', 'index.d.cts']) writeFileSync(join(into, name), types);
}

function compile(outDir: string, options: readonly string[]): void {
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
  const { status, error } = spawnSync(tsc, ['-p', CLIENT, '--outDir', outDir, ...options], {
    stdio: 'inherit',
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`tsc ended with ${status}; client/dist is as it was`);
}

/** Removes the compiler's declarations, by module, and gives them. */
function takeDeclarations(from: string): ReadonlyMap<string, string> {
  const names = readdirSync(from).filter((name) => name.endsWith('.d.ts'));
  return new Map(
    names.map((name) => {
      const text = readFileSync(join(from, name), 'utf8');
      rmSync(join(from, name));
      return [name.replace(/\.d\.ts$/, ''), text] as const;
    }),
  );
}
