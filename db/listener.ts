import pg from 'pg';
import { APP_ROLE } from './session.ts';

export type Listener = { close(): Promise<void> };

const RETRY_MS = [200, 500, 1_000, 3_000, 5_000];
const KEEP_ALIVE_MS = 15_000;

/**
 * One connection that listens on a channel, and is opened again when it breaks. A notification may
 * be missed meanwhile, so the caller also looks by itself now and then.
 */
export function openListener(
  databaseUrl: string,
  channel: string,
  onNotification: () => void,
): Listener {
  let client: pg.Client | null = null;
  let timer: NodeJS.Timeout | null = null;
  let isClosed = false;
  let failures = 0;
  const again = () => {
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
      connectionString: databaseUrl,
      options: `-c role=${APP_ROLE}`,
      connectionTimeoutMillis: 3_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    });
    client = next;
    next.on('error', () => undefined);
    next.on('end', again);
    next.on('notification', onNotification);
    try {
      await next.connect();
      await next.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
      failures = 0;
      onNotification();
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
      if (timer !== null) clearTimeout(timer);
      await client?.end().catch(() => undefined);
    },
  };
}
