import { createServer, type Server } from 'node:http';
import type { NativeConnection, Worker } from '@temporalio/worker';
import type { Log } from '../config/log.ts';
import { createOutageLog } from '../config/outage-log.ts';
import type { Warning } from '../config/warnings.ts';
import { findDatabaseFault } from '../db/health.ts';
import type { Pool } from '../db/pool.ts';

/** What the worker has so far; it is filled while the process starts. */
export type WorkerParts = {
  connection?: Pick<NativeConnection, 'withDeadline' | 'workflowService'>;
  workers?: readonly Pick<Worker, 'getState'>[];
  pool?: Pool;
  warnings?: () => readonly Warning[];
};

export type HealthServer = { close(): Promise<void> };

type Place = { readonly host: string; readonly port: number };

const TEMPORAL_TIMEOUT_MS = 3_000;
const RETRY_MS = 5_000;

/**
 * Answers probes: `/livez` while the process runs, `/readyz` while it works: connected to
 * Temporal, polling, with its database. A port that is taken is tried again: it stops no payment.
 * @param place null: nothing is served.
 */
export function serveHealth(place: Place | null, parts: WorkerParts, log: Log): HealthServer {
  if (place === null) return { close: () => Promise.resolve() };
  const server = createServer((request, response) => {
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.url === '/livez') answer(200, { status: 'ok' });
    else if (request.url !== '/readyz') answer(404, { status: 'not_found' });
    else {
      findReasons(parts).then(
        (reasons) => {
          const warnings = parts.warnings?.() ?? [];
          if (reasons.length === 0) answer(200, { status: 'ok', warnings });
          else answer(503, { status: 'unavailable', reasons, warnings });
        },
        (error: unknown) => {
          log.error({ err: error }, 'a probe could not be answered');
          answer(500, { status: 'unavailable', reasons: ['internal_error'] });
        },
      );
    }
  });
  const stop = listenPatiently(server, place, log);
  return {
    close: () =>
      new Promise((resolve) => {
        stop();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Why the worker cannot do its work now; none when it can. */
async function findReasons({ connection, workers, pool }: WorkerParts): Promise<readonly string[]> {
  const reasons: string[] = [];
  const [isReachable, fault] = await Promise.all([
    connection === undefined ? false : isAnswering(connection),
    pool === undefined ? null : findDatabaseFault(pool),
  ]);
  if (!isReachable) reasons.push('temporal_unavailable');
  if (workers === undefined) reasons.push('starting');
  else if (workers.some((worker) => worker.getState() !== 'RUNNING')) reasons.push('not_polling');
  if (fault !== null) reasons.push(fault);
  return reasons;
}

function isAnswering(connection: NonNullable<WorkerParts['connection']>): Promise<boolean> {
  const call = () => connection.workflowService.getSystemInfo({});
  return connection.withDeadline(Date.now() + TEMPORAL_TIMEOUT_MS, call).then(
    () => true,
    () => false,
  );
}

/** Another worker on this machine may have the port until it has ended. */
function listenPatiently(server: Server, { host, port }: Place, log: Log): () => void {
  const outage = createOutageLog(log, {
    failing: `probes are not answered: see MALIPO_WORKER_HEALTH_PORT (${port})`,
    working: `probes are answered on port ${port}`,
  });
  let timer: NodeJS.Timeout | null = null;
  server.on('error', (error) => {
    outage.failed(error);
    timer = setTimeout(() => server.listen(port, host), RETRY_MS).unref();
  });
  server.on('listening', () => outage.worked());
  server.listen(port, host);
  server.unref();
  return () => {
    if (timer !== null) clearTimeout(timer);
  };
}
