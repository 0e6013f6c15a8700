import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeApiKey } from '../../db/api-key.ts';
import { type CallbackTokens, createCallbackTokens } from '../../db/callback-token.ts';
import { ensureApiKey, ensureMerchant } from '../../db/merchants.ts';
import { startNodeChild } from '../../sandbox/node-child.ts';
import { pickPort } from '../../sandbox/ports.ts';
import type { Exit } from '../../sandbox/process.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT } from '../factories.ts';
import { temporalAddress } from '../temporal.ts';

/** The API as one process of its own, with a database and without any worker. */
export type ApiProcess = {
  readonly url: string;
  readonly pid: number;
  readonly apiKey: string;
  readonly database: TestDatabase;
  readonly tokens: CallbackTokens;
  readonly exited: Promise<Exit>;
  readBytes(): number;
  /** What it has computed for, whatever else ran on the machine. */
  readCpuSeconds(): number;
  readLog(): string;
  /** Asks it to end, and waits for that. */
  stop(): Promise<void>;
  close(): Promise<void>;
};

/** @param doorPort where it will find its database, later. */
export async function startApi(
  env: Readonly<Record<string, string>> = {},
  doorPort: number | null = null,
): Promise<ApiProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'malipo-api-'));
  const database = await openTestDatabase();
  const apiKey = makeApiKey('test');
  await ensureMerchant(database.pool, MERCHANT);
  await ensureApiKey(database.pool, { merchantId: MERCHANT.id, apiKey });
  const { port } = await pickPort(0);
  const url = `http://127.0.0.1:${port}`;
  const databaseUrl = new URL(database.appUrl);
  if (doorPort !== null) databaseUrl.port = String(doorPort);
  const logPath = join(folder, 'api.log');
  const hashKey = randomBytes(32);
  const child = await startNodeChild({
    title: 'The API',
    file: 'api/main.ts',
    logPath,
    readyLimitMs: 60_000,
    healthUrl: `${url}${doorPort === null ? '/readyz' : '/livez'}`,
    env: {
      DATABASE_URL: databaseUrl.toString(),
      TEMPORAL_ADDRESS: temporalAddress(),
      TEMPORAL_NAMESPACE: 'default',
      MALIPO_ENVIRONMENT: 'sandbox',
      MALIPO_API_PORT: String(port),
      MALIPO_PUBLIC_URL: url,
      MALIPO_DATA_KEYS: `k1:${randomBytes(32).toString('base64')}`,
      MALIPO_TOKEN_KEYS: `k1:${randomBytes(32).toString('base64')}`,
      MALIPO_HASH_KEY: hashKey.toString('base64'),
      MALIPO_CPAY_BASE_URL: 'http://127.0.0.1:1',
      MALIPO_CPAY_API_KEY: 'cpay_test_ofThisTestOnly',
      MALIPO_CPAY_WEBHOOK_SECRETS: 'cpay-secret-of-this-test',
      ...env,
    },
  }).catch(async (error: unknown) => {
    await database.close();
    throw error;
  });
  return {
    url,
    pid: child.pid,
    apiKey,
    database,
    tokens: createCallbackTokens(hashKey),
    exited: child.exited,
    readBytes: () => readResidentBytes(child.pid),
    readCpuSeconds: () => readCpuSeconds(child.pid),
    readLog: () => readFileSync(logPath, 'utf8'),
    stop: () => child.stop(),
    async close() {
      await child.stop();
      await database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const PAGE_BYTES = 4096;

/** What a process holds of the memory, as Linux tells it. */
export function readResidentBytes(pid: number): number {
  const [, pages = '0'] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
  return Number(pages) * PAGE_BYTES;
}

const TICKS_PER_SECOND = 100;

function readCpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // What stands before is the name in brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
