import { createHash } from 'node:crypto';
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CACHE = path.join(ROOT, 'node_modules', '.cache', 'malipo');
const ROOMS = ['workflows', 'domain'];

/** A file, or the script itself where no file could be kept. */
export type Bundle = { readonly codePath: string } | { readonly code: string };

/**
 * The workflows as one script. Built once for each state of the sources and kept, so that a worker
 * that was killed is back within a second.
 */
export async function loadWorkflowBundle(): Promise<Bundle> {
  const codePath = path.join(CACHE, `workflows-${fingerprint()}.js`);
  if (isReadable(codePath)) return { codePath };
  const { code } = await bundleWorkflowCode({
    workflowsPath: path.join(ROOT, 'workflows', 'index.ts'),
    logger: quiet,
  });
  try {
    await mkdir(CACHE, { recursive: true });
    const draft = `${codePath}.${process.pid}`;
    await writeFile(draft, code);
    await rename(draft, codePath);
  } catch {
    // The packages belong to somebody else: it is only quicker the next time.
    return { code };
  }
  return { codePath };
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
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
