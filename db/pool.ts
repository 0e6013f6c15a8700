import { createPgDriverFactory } from '@slonik/pg-driver';
import {
  ConnectionError,
  createPool,
  type DatabasePool,
  type DatabaseTransactionConnection,
  type DriverFactory,
  type DriverTypeParser,
  type Interceptor,
  SchemaValidationError,
} from 'slonik';
import { findSetupError, withCheckedSessions } from './session.ts';

/** What we use of slonik's pool. */
export type Pool = Pick<
  DatabasePool,
  'any' | 'anyFirst' | 'exists' | 'maybeOne' | 'one' | 'query' | 'transaction' | 'end'
>;
export type Connection = Pool | DatabaseTransactionConnection;

export type PoolOptions = {
  readonly databaseUrl: string;
  readonly size: number;
  readonly statementTimeoutMs: number;
};

/**
 * A pool that validates every row by its zod type and never leaves session state, which is why the
 * `DISCARD ALL` that slonik sends after each query can go: it doubles the round trips. Its login
 * owns nothing, or it does not open.
 */
export function openPool(options: PoolOptions): Promise<Pool> {
  return open(options, withCheckedSessions(createPgDriverFactory()));
}

/** The same for what only the tables' owner may do: demo data, never the application's work. */
export function openOwnerPool(options: PoolOptions): Promise<Pool> {
  return open(options, createPgDriverFactory());
}

async function open(options: PoolOptions, driverFactory: DriverFactory): Promise<Pool> {
  const pool = await createPool(addressFor(options.databaseUrl), {
    driverFactory,
    interceptors: [validateRows()],
    typeParsers: TYPE_PARSERS,
    maxPoolSize: options.size,
    minPoolSize: 0,
    idleTimeout: 30_000,
    connectionTimeout: 3_000,
    connectionRetryLimit: 1,
    statementTimeout: options.statementTimeoutMs,
    idleInTransactionSessionTimeout: options.statementTimeoutMs,
    resetConnection: () => Promise.resolve(),
  });
  // Slonik tells a query's error twice: to who asked, and as an event that nobody needs.
  pool.on('error', () => undefined);
  try {
    // The first connection shows at once whether any of them can be used.
    await pool.connect(() => Promise.resolve());
    return pool;
  } catch (error) {
    await pool.end();
    throw findSetupError(error) ?? error;
  }
}

/** Slonik has its own word for what `pg` and libpq call verify-full, and refuses theirs. */
function addressFor(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  if (url.searchParams.get('sslmode') !== 'verify-full') return databaseUrl;
  url.searchParams.set('sslmode', 'require');
  return url.toString();
}

/** A failed try counts for so long: a flood of requests is no flood of connections. */
const RETRY_MS = 1_000;

/** What is told of tries to open a pool; an OutageLog is one. */
export type OpeningLog = { failed(error: unknown): void; worked(): void };

/**
 * The same for processes that outlive their database: opened by its first use. While the database
 * is not there, each use fails as it does when the database goes away later.
 * @param tries is told of each, so that a wrong address or password shows in the log.
 */
export function openLazyPool(options: PoolOptions, tries: OpeningLog): Pool {
  let opening: Promise<Pool> | null = null;
  let isEnded = false;
  const openOnce = async () => {
    try {
      const pool = await openPool(options);
      tries.worked();
      return pool;
    } catch (error) {
      tries.failed(error);
      setTimeout(() => {
        opening = null;
      }, RETRY_MS).unref();
      const known = error instanceof Error ? { cause: error } : {};
      throw new ConnectionError('the database is not there yet', known);
    }
  };
  const use = async () => {
    if (isEnded && opening === null) throw new ConnectionError('the pool has ended');
    opening ??= openOnce();
    return await opening;
  };
  return {
    any: async (query) => (await use()).any(query),
    anyFirst: async (query) => (await use()).anyFirst(query),
    exists: async (query) => (await use()).exists(query),
    maybeOne: async (query) => (await use()).maybeOne(query),
    one: async (query) => (await use()).one(query),
    query: async (query) => (await use()).query(query),
    transaction: async (work, retries) => (await use()).transaction(work, retries),
    async end() {
      isEnded = true;
      const pool = await opening?.catch(() => null);
      await pool?.end();
    },
  };
}

const TYPE_PARSERS: readonly DriverTypeParser[] = [
  { name: 'int8', parse: parseSafeInteger },
  { name: 'timestamptz', parse: (text) => new Date(text).toISOString() },
];

function parseSafeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`int8 beyond 2^53: ${text}`);
  return value;
}

function validateRows(): Interceptor {
  return {
    name: 'validate-rows',
    transformRow: ({ resultParser }, query, row) => {
      if (resultParser === undefined) return row;
      const result = resultParser['~standard'].validate(row);
      if (result instanceof Promise) throw new TypeError('row types validate synchronously');
      if (result.issues) throw new SchemaValidationError(query, row, [...result.issues]);
      return result.value as typeof row;
    },
  };
}
