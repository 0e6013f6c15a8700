import pg from 'pg';
import type { Connection } from './pool.ts';
import { checkConnection } from './session.ts';
import { sql } from './sql.ts';

/** The trigger of outgoing events notifies on it, with the merchant's id. */
export const EVENT_CHANNEL = 'malipo_event';
const ACCESS = 'access ';

export type Listener = { close(): Promise<void> };

export type ListenerOptions = {
  /** PostgreSQL itself: a pooler hands a connection to another client after each transaction. */
  readonly databaseUrl: string;
  readonly channel: string;
  /** @param payload empty after a break, when some may have been missed. */
  readonly onNotification: (payload: string) => void;
  /** Sends a notification by another connection. */
  readonly notify: () => Promise<unknown>;
  /** Told when notifications begin to arrive, and when one that was sent did not. */
  readonly onHearing: (isHearing: boolean) => void;
  /** How long one may be on its way; shorter in tests. */
  readonly hearWithinMs?: number;
};

const RETRY_MS = [200, 500, 1_000, 3_000, 5_000];
const KEEP_ALIVE_MS = 15_000;
const HEAR_WITHIN_MS = 5_000;

/**
 * One connection that listens on a channel, and is opened again when it breaks. A notification may
 * be missed meanwhile, so the caller also looks by itself now and then. Each new connection is
 * tried with a notification of our own: through a pooler LISTEN succeeds, and nothing is heard.
 */
export function openListener(options: ListenerOptions): Listener {
  let client: pg.Client | null = null;
  let timer: NodeJS.Timeout | null = null;
  let isClosed = false;
  let failures = 0;
  const hearing = createHearing(options);
  const again = () => {
    hearing.stop();
    if (isClosed || timer !== null) return;
    const pauseMs = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? KEEP_ALIVE_MS;
    failures += 1;
    timer = setTimeout(() => {
      timer = null;
      void connect();
    }, pauseMs);
  };
  const connect = async () => {
    const next = new pg.Client({
      connectionString: options.databaseUrl,
      connectionTimeoutMillis: 3_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    });
    client = next;
    next.on('error', () => undefined);
    next.on('end', again);
    next.on('notification', ({ payload = '' }) => {
      hearing.heard();
      options.onNotification(payload);
    });
    try {
      await next.connect();
      await checkConnection(next, false);
      await next.query(`LISTEN ${pg.escapeIdentifier(options.channel)}`);
      failures = 0;
      options.onNotification('');
      hearing.start();
    } catch {
      await next.end().catch(() => undefined);
      again();
    }
    if (isClosed) await next.end().catch(() => undefined);
  };
  void connect();
  return {
    async close() {
      isClosed = true;
      hearing.stop();
      if (timer !== null) clearTimeout(timer);
      await client?.end().catch(() => undefined);
    },
  };
}

/** Whether a new connection hears what is sent; any notification proves it. */
function createHearing({
  notify,
  onHearing,
  hearWithinMs = HEAR_WITHIN_MS,
}: Pick<ListenerOptions, 'notify' | 'onHearing' | 'hearWithinMs'>) {
  let timer: NodeJS.Timeout | null = null;
  let isHeard = false;
  const stop = () => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    isHeard = false;
  };
  return {
    stop,
    heard() {
      if (isHeard) return;
      if (timer !== null) clearTimeout(timer);
      isHeard = true;
      onHearing(true);
    },
    start() {
      // One that could not be sent proves nothing.
      notify().then(
        () => {
          if (isHeard) return;
          timer = setTimeout(() => onHearing(false), hearWithinMs).unref();
        },
        () => undefined,
      );
    },
  };
}

/** Tells whoever listens on a channel that there is something to look for. */
export async function notify(db: Connection, channel: string, payload = ''): Promise<void> {
  await db.query(sql.typeAlias('none')`SELECT FROM pg_notify(${channel}, ${payload})`);
}

/** Tells the live feeds of all processes to ask again which of a merchant's keys are good. */
export async function notifyAccessChanged(db: Connection, merchantId: string): Promise<void> {
  await notify(db, EVENT_CHANNEL, `${ACCESS}${merchantId}`);
}

/** Whose access changed, by a notification of that; null for any other. */
export function readAccessChanged(payload: string): string | null {
  return payload.startsWith(ACCESS) ? payload.slice(ACCESS.length) : null;
}
