import { createServer } from 'node:http';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Log } from '../config/log.ts';
import type { Pool } from '../db/pool.ts';
import type { QueueMetrics } from '../temporal/queues.ts';
import { addBusinessMetrics } from './business-metrics.ts';
import { createOtherVersions, type OtherVersions } from './other-versions.ts';
import { addQueueGauges } from './provider-queues.ts';

/** What the API tells Prometheus. Labels are routes, statuses and names: nothing unbounded. */
export type ApiMetrics = {
  readonly registry: Registry;
  countRequest(route: string, method: string, status: number, seconds: number): void;
  countCallback(channel: string, fate: string): void;
  /** Of those that all admins are told of. */
  countSensitiveAct(action: string, outcome: 'done' | 'awaits_second' | 'refused'): void;
  /** Of providers' events. */
  readonly otherVersions: OtherVersions;
  setLiveConnections(count: number): void;
  /** From now on this is asked how much waits for clients of the live feed. */
  watchLiveUnread(countBytes: () => number): void;
  /** And this, what waits in the providers' queues. */
  watchQueues(find: () => Promise<readonly QueueMetrics[]>): void;
};

const SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** However often somebody asks, the database is asked this often. */
const METRICS_EVERY_MS = 15_000;

/** @param metricsEveryMs shorter in tests. */
export function createApiMetrics(pool: Pool, metricsEveryMs = METRICS_EVERY_MS): ApiMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'malipo_api_' });
  const registers = [registry];
  const durations = new Histogram({
    name: 'malipo_http_request_duration_seconds',
    help: 'Requests by route, method and status',
    labelNames: ['route', 'method', 'status'],
    buckets: SECONDS,
    registers,
  });
  const callbacks = new Counter({
    name: 'malipo_callbacks_total',
    help: 'Providers’ callbacks by channel and what became of them',
    labelNames: ['channel', 'fate'],
    registers,
  });
  const acts = new Counter({
    name: 'malipo_sensitive_activity_total',
    help: 'What operators asked for that all admins are told of, by operation and outcome',
    labelNames: ['action', 'outcome'],
    registers,
  });
  const live = new Gauge({
    name: 'malipo_live_connections',
    help: 'Clients of the live feed',
    registers,
  });
  let countUnread = () => 0;
  new Gauge({
    name: 'malipo_live_unread_bytes',
    help: 'What waits in memory for clients of the live feed',
    registers,
    collect() {
      this.set(countUnread());
    },
  });
  const watchQueues = addQueueGauges(registry, metricsEveryMs);
  addBusinessMetrics(registry, pool, metricsEveryMs);
  return {
    registry,
    countRequest: (route, method, status, seconds) =>
      durations.observe({ route, method, status: String(status) }, seconds),
    countCallback: (channel, fate) => callbacks.inc({ channel, fate }),
    countSensitiveAct: (action, outcome) => acts.inc({ action, outcome }),
    otherVersions: createOtherVersions(registers),
    setLiveConnections: (count) => live.set(count),
    watchQueues,
    watchLiveUnread(countBytes) {
      countUnread = countBytes;
    },
  };
}

/** Serves /metrics on a port of its own, which is not for the public. */
export async function serveMetrics(
  { registry }: ApiMetrics,
  host: string,
  port: number,
  log: Log,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      (error: unknown) => {
        log.warn({ err: error }, 'the metrics could not be read');
        response.writeHead(500).end();
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
