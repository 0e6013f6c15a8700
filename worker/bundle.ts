import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CACHE = path.join(ROOT, 'node_modules', '.cache', 'malipo');
const ROOMS = ['workflows', 'domain'];

/**
 * The workflows as one script. Built once for each state of the sources and kept, so that a worker
 * that was killed is back within a second.
 */
export async function loadWorkflowBundle(): Promise<{ readonly codePath: string }> {
  const codePath = path.join(CACHE, `workflows-${fingerprint()}.js`);
  if (existsSync(codePath)) return { codePath };
  const { code } = await bundleWorkflowCode({
    workflowsPath: path.join(ROOT, 'workflows', 'index.ts'),
    logger: quiet,
  });
  await mkdir(CACHE, { recursive: true });
  const draft = `${codePath}.${process.pid}`;
  await writeFile(draft, code);
  await rename(draft, codePath);
  return { codePath };
}

/** Of all that goes into the bundle: our sources and the SDK's version. */
function fingerprint(): string {
  const hash = createHash('sha256');
  hash.update(
    readFileSync(createRequire(import.meta.url).resolve('@temporalio/workflow/package.json')),
  );
  for (const room of ROOMS) {
    for (const file of readdirSync(path.join(ROOT, room)).sort()) {
      hash.update(file).update(readFileSync(path.join(ROOT, room, file)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

const nothing = () => undefined;
const quiet = {
  log: nothing,
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: (message: string) => process.stderr.write(`${message}\n`),
};
