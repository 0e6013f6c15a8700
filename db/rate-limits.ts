import pg from 'pg';
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRes,
} from 'rate-limiter-flexible';
import { checkConnection } from './session.ts';

/** So many requests in a window that begins with the first. */
export type RateLimit = { readonly requests: number; readonly per_ms: number };

/** Where a caller stands after one more request. */
export type RateLimitState = {
  readonly isExceeded: boolean;
  readonly remaining: number;
  readonly resetMs: number;
};

export type RateLimits<Name extends string> = {
  /** Counts one request. @param subject whom it is counted for: a key's id, an address. */
  count(name: Name, subject: string): Promise<RateLimitState>;
  /** Where it stands, without counting. */
  look(name: Name, subject: string): Promise<RateLimitState>;
  close(): Promise<void>;
};

const WAIT_MS = 500;

/**
 * Counters that all processes share, in PostgreSQL; while it is away each process counts for
 * itself, so that a limit is never the reason of an outage.
 * @param local those that each process always counts for itself.
 * @param waitMs how long PostgreSQL may take, before a request is counted by the process alone.
 */
export function openRateLimits<Name extends string>(
  databaseUrl: string,
  limits: Readonly<Record<Name, RateLimit>>,
  local: readonly Name[],
  waitMs = WAIT_MS,
): RateLimits<Name> {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 3,
    connectionTimeoutMillis: waitMs,
    statement_timeout: waitMs,
    idle_in_transaction_session_timeout: waitMs,
    verify: (client, done) => void checkConnection(client).then(() => done(), done),
  });
  // A connection that the server ended; the next query opens another.
  pool.on('error', () => undefined);
  const limiters = new Map<Name, RateLimiterAbstract>();
  const limiterOf = (name: Name) => {
    const store = local.includes(name) ? null : pool;
    const found = limiters.get(name) ?? createLimiter(store, name, limits[name]);
    limiters.set(name, found);
    return found;
  };
  return {
    async count(name, subject) {
      try {
        return stateOf(await limiterOf(name).consume(subject), false);
      } catch (refusal) {
        if (refusal instanceof RateLimiterRes) return stateOf(refusal, true);
        throw refusal;
      }
    },
    async look(name, subject) {
      const { requests } = limits[name];
      const found = await limiterOf(name).get(subject);
      if (found === null) return { isExceeded: false, remaining: requests, resetMs: 0 };
      return stateOf(found, found.consumedPoints > requests);
    },
    close: () => pool.end(),
  };
}

function createLimiter(pool: pg.Pool | null, name: string, { requests, per_ms }: RateLimit) {
  const common = { keyPrefix: name, points: requests, duration: per_ms / 1000 };
  if (pool === null) return new RateLimiterMemory(common);
  return new RateLimiterPostgres({
    ...common,
    storeClient: pool,
    storeType: 'pool',
    tableName: 'rate_limits',
    tableCreated: true,
    clearExpiredByTimeout: true,
    // Who is over the limit costs no more queries until the window ends.
    inMemoryBlockOnConsumed: requests + 1,
    insuranceLimiter: new RateLimiterMemory(common),
  });
}

function stateOf({ remainingPoints, msBeforeNext }: RateLimiterRes, isExceeded: boolean) {
  return {
    isExceeded,
    remaining: Math.max(0, remainingPoints),
    resetMs: Math.max(0, msBeforeNext),
  };
}
