import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import {
  countEvents,
  countOpenPayments,
  countWaiting,
  findLatestCallback,
  listCallbackDelays,
} from '../db/business-metrics.ts';
import { findLatestCursor } from '../db/outgoing-events.ts';
import type { Pool } from '../db/pool.ts';
import { findSweepAge } from '../db/sweep-rounds.ts';

type Collected = { readonly registers: Registry[]; readonly collect: () => Promise<void> };

/** From the prompt to the payer's PIN, and from a card's capture to its settlement. */
const DELAY_SECONDS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3600, 86_400];

/**
 * What the business looks at, read from the database. Each figure is of all processes, so one of
 * them is enough; those that count do so from the first look of this process on.
 */
export function addBusinessMetrics(registry: Registry, pool: Pool, everyMs: number): void {
  let askedMs = 0;
  let isAsking = false;
  let asking = Promise.resolve();
  // Each metric is read for itself, so each waits for the one question.
  const collect = () => {
    if (isAsking || Date.now() - askedMs < everyMs) return asking;
    askedMs = Date.now();
    isAsking = true;
    asking = ask()
      .then(
        () => up.set(1),
        () => up.set(0),
      )
      .finally(() => {
        isAsking = false;
      });
    return asking;
  };
  const common = { registers: [registry], collect };
  const name = 'malipo_database_up';
  const up = new Gauge({ name, help: 'Whether the figures could be read', ...common });
  const questions = [
    askForOpen(pool, common),
    askForWaiting(pool, common),
    askForEvents(pool, common),
    askForDelays(pool, common),
    askForSweeper(pool, common),
  ];
  const ask = async () => {
    await Promise.all(questions.map((question) => question()));
  };
}

function askForOpen(pool: Pool, common: Collected) {
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['provider', 'status'], ...common });
  const open = gauge('malipo_open_payments', 'Payments that have not ended');
  const oldest = gauge('malipo_oldest_open_payment_seconds', 'Age of the oldest');
  const overdue = gauge('malipo_overdue_payments', 'Overdue a minute too long');
  return async () => {
    const payments = await countOpenPayments(pool);
    for (const each of [open, oldest, overdue]) each.reset();
    for (const { provider, status, ...figures } of payments) {
      open.set({ provider, status }, figures.payments);
      oldest.set({ provider, status }, figures.oldest_seconds);
      overdue.set({ provider, status }, figures.overdue);
    }
  };
}

function askForWaiting(pool: Pool, common: Collected) {
  const waiting = new Gauge({
    name: 'malipo_waiting',
    help: 'What waits, by kind: callbacks to be delivered, webhooks to be started (counted up to 10000) and pending, refunds in review, endpoints that we switched off, parked callbacks (counted up to 10000) and unmatched receipts',
    labelNames: ['what'],
    ...common,
  });
  return async () => {
    for (const [what, count] of Object.entries(await countWaiting(pool))) {
      waiting.set({ what }, count);
    }
  };
}

function askForSweeper(pool: Pool, common: Collected) {
  const age = new Gauge({
    name: 'malipo_last_sweep_age_seconds',
    help: 'Since the sweeper’s last round; +Inf when none ever ended',
    ...common,
  });
  return async () => age.set((await findSweepAge(pool)) ?? Number.POSITIVE_INFINITY);
}

function askForEvents(pool: Pool, common: Collected) {
  const events = new Counter({
    name: 'malipo_events_total',
    help: 'Payments and refunds by the status that they came to, and what else merchants are told',
    labelNames: ['type', 'provider'],
    ...common,
  });
  let after: string | null = null;
  return async () => {
    const before = await findLatestCursor(pool);
    const counted = after === null ? [] : await countEvents(pool, after, before);
    after = before;
    for (const { type, provider, events: count } of counted) events.inc({ type, provider }, count);
  };
}

function askForDelays(pool: Pool, common: Collected) {
  const delays = new Histogram({
    name: 'malipo_callback_delay_seconds',
    help: 'From the dispatch of an attempt to its first callback',
    labelNames: ['provider'],
    buckets: DELAY_SECONDS,
    ...common,
  });
  let isFirst = true;
  let after: string | null = null;
  return async () => {
    const last = await findLatestCallback(pool);
    const found = isFirst || last === null ? [] : await listCallbackDelays(pool, after, last);
    isFirst = false;
    after = last;
    for (const { provider, ms } of found) delays.observe({ provider }, ms / 1000);
  };
}
