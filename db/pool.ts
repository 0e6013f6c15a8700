import { setTimeout as sleep } from 'node:timers/promises';
import { createPgDriverFactory } from '@slonik/pg-driver';
import {
  createPool,
  type DatabasePool,
  type DatabaseTransactionConnection,
  type DriverTypeParser,
  type Interceptor,
  SchemaValidationError,
} from 'slonik';

export type Pool = DatabasePool;
export type Connection = DatabasePool | DatabaseTransactionConnection;

/** The application works as this role; the migrations create it. */
export const APP_ROLE = 'malipo_app';

export type PoolOptions = {
  readonly databaseUrl: string;
  readonly size: number;
  readonly statementTimeoutMs: number;
};

/**
 * A pool that validates every row by its zod type and never leaves session state, which is why the
 * `DISCARD ALL` that slonik sends after each query can go: it doubles the round trips.
 */
export async function openPool(options: PoolOptions): Promise<Pool> {
  const url = new URL(options.databaseUrl);
  url.searchParams.set('options', `-c role=${APP_ROLE}`);
  const pool = await createPool(url.toString(), {
    driverFactory: createPgDriverFactory(),
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
  return pool;
}

const RETRY_MS = 2_000;

/**
 * The same for processes that outlive their database: it tries until the database is there.
 * @param onAway is told each time, so that a wrong address or password shows in the log.
 */
export async function awaitPool(
  options: PoolOptions,
  onAway: (error: unknown) => void,
): Promise<Pool> {
  for (;;) {
    try {
      return await openPool(options);
    } catch (error) {
      onAway(error);
      await sleep(RETRY_MS);
    }
  }
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
