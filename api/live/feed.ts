import type { Log } from '../../config/log.ts';
import { createOutageLog } from '../../config/outage-log.ts';
import { EVENT_CHANNEL, notify, openListener, readAccessChanged } from '../../db/listener.ts';
import { findLatestCursor, listEvents, type OutgoingEvent } from '../../db/outgoing-events.ts';
import type { Pool } from '../../db/pool.ts';

const PAGE = 500;

/** All events as they happen, for every connection of this process. */
export type Feed = {
  /** Resolves when the feed has begun: it publishes whatever is stored from then on. */
  readonly begun: Promise<void>;
  /** Up to which cursor events were published; null until the feed has begun. */
  cursor(): string | null;
  close(): Promise<void>;
};

type FeedSource = {
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly pollIntervalMs: number;
  readonly log: Log;
  /** Receives events in order, each once. */
  readonly onEvents: (events: readonly OutgoingEvent[]) => void;
  /** Whether notifications arrive. */
  readonly onHearing: (isHearing: boolean) => void;
  /** A key of a merchant was revoked, or all of them by switching the merchant off. */
  readonly onAccessChanged: (merchantId: string) => void;
};

export function openFeed(source: FeedSource): Feed {
  const { pool, databaseUrl, onHearing, onAccessChanged } = source;
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  let cursor: string | null = null;
  let reading: Promise<void> | null = null;
  let isReadAgain = false;
  const outage = createOutageLog(source.log, {
    failing: 'the live feed waits for the database',
    working: 'the live feed goes on',
  });
  const read = async () => {
    cursor ??= await findLatestCursor(pool);
    begin();
    for (let found = PAGE; found === PAGE; ) {
      const page = { merchantId: null, paymentId: null, after: cursor, limit: PAGE };
      const events = await listEvents(pool, page);
      cursor = events.at(-1)?.cursor ?? cursor;
      found = events.length;
      if (found > 0) source.onEvents(events);
    }
  };
  const wake = () => {
    isReadAgain = reading !== null;
    if (isReadAgain) return;
    reading = read()
      .then(outage.worked, outage.failed)
      .finally(() => {
        reading = null;
        if (isReadAgain) wake();
      });
  };
  const listener = openListener({
    databaseUrl,
    channel: EVENT_CHANNEL,
    onNotification(payload) {
      const merchantId = readAccessChanged(payload);
      if (merchantId === null) wake();
      else onAccessChanged(merchantId);
    },
    notify: () => notify(pool, EVENT_CHANNEL),
    onHearing,
  });
  const timer = setInterval(wake, source.pollIntervalMs);
  wake();
  return {
    begun,
    cursor: () => cursor,
    async close() {
      clearInterval(timer);
      await listener.close();
      isReadAgain = false;
      await reading;
    },
  };
}

/** True when the first cursor comes after the second. */
export function isAfter(cursor: string, other: string): boolean {
  const [tx = 0n, position = 0n] = cursor.split('-').map(BigInt);
  const [otherTx = 0n, otherPosition = 0n] = other.split('-').map(BigInt);
  return tx > otherTx || (tx === otherTx && position > otherPosition);
}

export type Semaphore = <T>(work: () => Promise<T>) => Promise<T>;

/** Lets `max` run at once; the others run in the order they came. */
function createSemaphore(max: number): Semaphore {
  let free = max;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

/** `each` for one owner and `all` together: a thousand waiting of one owner delay no other. */
export function createSharedSemaphore(all: number, each: number): (owner: string) => Semaphore {
  const shared = createSemaphore(all);
  const own = new Map<string, Semaphore>();
  return (owner) => {
    const semaphore = own.get(owner) ?? createSemaphore(each);
    own.set(owner, semaphore);
    return (work) => semaphore(() => shared(work));
  };
}
