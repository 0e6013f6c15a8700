import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { isApiKey, makeApiKey } from '../db/api-key.ts';
import { hasCode, StartFailure } from './failure.ts';
import { removePostgresData } from './postgres-files.ts';
import { endRecorded } from './process.ts';

/** Where a sandbox keeps everything it wants to find again. */
export type Home = {
  readonly root: string;
  readonly postgresDir: string;
  readonly temporalDb: string;
  readonly simulatorsDir: string;
  readonly logsDir: string;
  readonly secrets: string;
  readonly pids: string;
  readonly details: string;
  /** What a shell reads to reach the sandbox that runs. */
  readonly env: string;
  /** Where each part listened last time. */
  readonly ports: string;
  readonly lock: string;
};

const SECRETS = z.object({
  data_keys: z.string().min(1),
  hash_key: z.string().min(1),
  token_keys: z.string().min(1),
  operator_password: z.string().min(12),
  api_key: z.string().refine(isApiKey, 'is no API key'),
});
export type Secrets = z.infer<typeof SECRETS>;

const PIDS = z.record(z.string(), z.object({ pid: z.number(), command: z.string() }));

/** `MALIPO_HOME`, or `.malipo` beside package.json. */
export function chooseHome(env: NodeJS.ProcessEnv): string {
  return resolve(env.MALIPO_HOME || fileURLToPath(new URL('../.malipo', import.meta.url)));
}

/** Makes the folders; touches nothing that is there. */
export function openHome(root: string): Home {
  const home = {
    root,
    postgresDir: join(root, 'postgres'),
    temporalDb: join(root, 'temporal', 'temporal.db'),
    simulatorsDir: join(root, 'simulators'),
    logsDir: join(root, 'logs'),
    secrets: join(root, 'secrets.json'),
    pids: join(root, 'pids.json'),
    details: join(root, 'sandbox.json'),
    env: join(root, 'env'),
    ports: join(root, 'ports.json'),
    lock: join(root, 'lock'),
  };
  for (const folder of [home.logsDir, dirname(home.temporalDb), home.simulatorsDir]) {
    fs.mkdirSync(folder, { recursive: true });
  }
  return home;
}

/**
 * Forgets everything: payments, workflows, simulator ledgers, keys, ports. The caller holds the
 * lock.
 */
export function resetHome(home: Home): void {
  removePostgresData(home.postgresDir);
  for (const path of [dirname(home.temporalDb), home.simulatorsDir, home.logsDir]) {
    fs.rmSync(path, { recursive: true, force: true });
  }
  forgetWhere(home);
  for (const path of [home.secrets, home.ports]) fs.rmSync(path, { force: true });
  openHome(home.root);
}

/** Takes away what tells where a sandbox runs: once it does not, others may have its ports. */
export function forgetWhere(home: Home): void {
  for (const path of [home.details, home.env]) fs.rmSync(path, { force: true });
}

/** Each run has its own logs; those of the run before are kept as `<name>.log.1`. */
export function rotateLogs(home: Home): void {
  for (const file of fs.readdirSync(home.logsDir)) {
    const path = join(home.logsDir, file);
    if (file.endsWith('.log')) fs.renameSync(path, `${path}.1`);
  }
}

/** The sandbox's keys, made on the first start. Losing them loses what they encrypted. */
export function loadSecrets(home: Home): Secrets {
  const kept = fs.existsSync(home.secrets) ? readJson(home.secrets) : {};
  // A home that an earlier version made lacks what was added since.
  const isKept = SECRETS.safeParse(kept).success;
  const read = SECRETS.safeParse(isKept ? kept : fill(kept));
  if (read.success) {
    if (!isKept) writePrivately(home.secrets, read.data);
    return read.data;
  }
  const reason = `${home.secrets} cannot be read: ${z.prettifyError(read.error)}`;
  const remedy =
    'restore it: it is the key to the data; or set MALIPO_HOME to another folder; or, which loses ' +
    'all sandbox data, `npm start -- --reset`';
  throw new StartFailure('The sandbox', reason, remedy);
}

function fill(kept: unknown): unknown {
  if (typeof kept !== 'object' || kept === null) return kept;
  return {
    data_keys: `sandbox-1:${randomBytes(32).toString('base64')}`,
    hash_key: randomBytes(32).toString('base64'),
    token_keys: `sandbox-1:${randomBytes(32).toString('base64')}`,
    operator_password: randomBytes(12).toString('base64url'),
    api_key: makeApiKey('test'),
    ...kept,
  };
}

/** Replaces a JSON file by one rename, readable by its owner only. */
export function writePrivately(path: string, content: unknown): void {
  writeTextPrivately(path, `${JSON.stringify(content, null, 2)}\n`);
}

export function writeTextPrivately(path: string, text: string): void {
  const draft = `${path}.${process.pid}`;
  fs.writeFileSync(draft, text, { mode: 0o600 });
  fs.renameSync(draft, path);
}

/** Ends what a killed supervisor left behind; answers the names of what was still running. */
export async function endLeftovers(home: Home): Promise<readonly string[]> {
  const read = PIDS.safeParse(readJson(home.pids));
  const ended = await Promise.all(
    Object.entries(read.success ? read.data : {}).map(async ([name, record]) => {
      // For PostgreSQL SIGTERM means "when the last client has left".
      const isEnded = await endRecorded(record, name === 'postgres' ? 'SIGINT' : 'SIGTERM');
      return isEnded ? [name] : [];
    }),
  );
  fs.rmSync(home.pids, { force: true });
  return ended.flat();
}

/** Null when there is none, or none that can be understood. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(fs.readFileSync(path, 'utf8'));
  } catch (error) {
    // Another user's home is no broken one.
    if (hasCode(error, 'EACCES')) throw error;
    return null;
  }
}
