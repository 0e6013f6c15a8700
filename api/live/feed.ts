import type { Log } from '../../config/log.ts';
import { createOutageLog } from '../../config/outage-log.ts';
import {
  EVENT_CHANNEL,
  type Listener,
  notify,
  openListener,
  readAccessChanged,
} from '../../db/listener.ts';
import { findLatestCursor, listEvents, type OutgoingEvent } from '../../db/outgoing-events.ts';
import type { Pool } from '../../db/pool.ts';

const PAGE = 500;

/** All events as they happen, for everybody who is connected to this process. */
export type Feed = {
  /** Resolves when it began: whatever is stored from then on is handed out. */
  readonly begun: Promise<void>;
  /** The place up to which events were handed out; null until it began. */
  cursor(): string | null;
  close(): Promise<void>;
};

type FeedSource = {
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly lookEveryMs: number;
  readonly log: Log;
  /** Told whether notifications arrive. */
  readonly onHearing: (isHearing: boolean) => void;
  /** Told when a key of a merchant was revoked, or all of them by switching it off. */
  readonly onAccessChanged: (merchantId: string) => void;
};

/** @param onEvents gets events in order, each once. */
export function openFeed(
  source: FeedSource,
  onEvents: (events: readonly OutgoingEvent[]) => void,
): Feed {
  const { pool, lookEveryMs, log } = source;
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  let cursor: string | null = null;
  let looking: Promise<void> | null = null;
  let isAskedAgain = false;
  const outage = createOutageLog(log, {
    failing: 'the live feed waits for the database',
    working: 'the live feed goes on',
  });
  const look = async () => {
    cursor ??= await findLatestCursor(pool);
    begin();
    for (let found = PAGE; found === PAGE; ) {
      const events = await listEvents(pool, {
        merchantId: null,
        paymentId: null,
        after: cursor,
        limit: PAGE,
      });
      cursor = events.at(-1)?.cursor ?? cursor;
      found = events.length;
      if (found > 0) onEvents(events);
    }
  };
  const wake = () => {
    if (looking !== null) {
      isAskedAgain = true;
      return;
    }
    isAskedAgain = false;
    looking = look()
      .then(outage.worked, outage.failed)
      .finally(() => {
        looking = null;
        if (isAskedAgain) wake();
      });
  };
  const listener = listen(source, wake);
  const timer = setInterval(wake, lookEveryMs);
  wake();
  return {
    begun,
    cursor: () => cursor,
    async close() {
      clearInterval(timer);
      await listener.close();
      isAskedAgain = false;
      await looking;
    },
  };
}

function listen(
  { pool, databaseUrl, onHearing, onAccessChanged }: FeedSource,
  onEvent: () => void,
): Listener {
  return openListener({
    databaseUrl,
    channel: EVENT_CHANNEL,
    onNotification(payload) {
      const merchantId = readAccessChanged(payload);
      if (merchantId === null) onEvent();
      else onAccessChanged(merchantId);
    },
    notify: () => notify(pool, EVENT_CHANNEL),
    onHearing,
  });
}

/** True when the first place comes after the second. */
export function isAfter(cursor: string, other: string): boolean {
  const [tx = 0n, position = 0n] = cursor.split('-').map(BigInt);
  const [otherTx = 0n, otherPosition = 0n] = other.split('-').map(BigInt);
  return tx > otherTx || (tx === otherTx && position > otherPosition);
}
