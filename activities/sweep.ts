import { log } from '@temporalio/activity';
import { listDueLookBacks, postponeLookBack } from '../db/look-back.ts';
import {
  listOverduePayments,
  listOverdueRefunds,
  listParkedMoney,
  markSwept,
  SWEPT_PAYMENTS,
  SWEPT_REFUNDS,
} from '../db/sweep.ts';
import { markSweepRound } from '../db/sweep-rounds.ts';
import { listUndelivered } from '../db/webhook-events.ts';
import { refusalOf } from '../domain/server-refusal.ts';
import type { SweepInput } from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';
import { lookBackAtPayment, lookBackAtRefund } from './look-back.ts';
import { resumePayment, resumeRefund } from './resume.ts';
import { deliverStored, retryMoney } from './stored-callbacks.ts';

/** How a round went, for its page in the Web UI. */
export type Swept = { readonly seen: number; readonly mended: number; readonly failed: number };

/** Ends before the activity's time does; what is left comes first in the next round. */
const ROUND_MS = 8_000;
/** Of payments and of refunds, in each round. */
const LOOK_BACKS_MAX = 10;

/**
 * Picks up what a crash left between PostgreSQL and Temporal. To start a workflow again is always
 * safe: the dispatch is claimed in the database, so money that may be out is never sent a second
 * time; and what may be out is only asked about.
 */
export function createSweep(deps: ActivityDeps) {
  const { pool } = deps;
  return {
    async sweepUnstarted({ unstarted_after_ms, batch }: SweepInput): Promise<Swept> {
      const until = Date.now() + ROUND_MS;
      const payments = SWEPT_PAYMENTS.map(async (status) => {
        const overdue = await listOverduePayments(pool, status, unstarted_after_ms, batch);
        return await visitEach(deps, { table: 'payments', items: overdue, until }, resumePayment);
      });
      const refunds = SWEPT_REFUNDS.map(async (status) => {
        const overdue = await listOverdueRefunds(pool, status, unstarted_after_ms, batch);
        return await visitEach(deps, { table: 'refunds', items: overdue, until }, resumeRefund);
      });
      const swept = sumOf(await Promise.all([...payments, ...refunds]));
      await markSweepRound(pool, 'unstarted');
      return swept;
    },

    async sweepUndelivered({ undelivered_after_ms, batch }: SweepInput): Promise<Swept> {
      const until = Date.now() + ROUND_MS;
      const table = 'webhook_events';
      const events = await listUndelivered(pool, undelivered_after_ms, batch);
      const money = await listParkedMoney(pool, batch);
      const swept = sumOf([
        await visitEach(deps, { table, items: events, until }, deliverStored),
        await visitEach(deps, { table, items: money, until }, retryMoney),
      ]);
      await markSweepRound(pool, 'undelivered');
      return swept;
    },

    /** Has what ended without money asked about again: few at a time, since each is a question. */
    async sweepLookBacks({ batch }: SweepInput): Promise<Swept> {
      const until = Date.now() + ROUND_MS;
      const limit = Math.min(batch, LOOK_BACKS_MAX);
      const visits = { payments: lookBackAtPayment, refunds: lookBackAtRefund } as const;
      const rounds = (['payments', 'refunds'] as const).map(async (table) => {
        const items = await listDueLookBacks(pool, table, limit);
        const mark = (id: string) => postponeLookBack(pool, table, id);
        return await visitEach(deps, { table, items, until, mark }, visits[table]);
      });
      return sumOf(await Promise.all(rounds));
    },
  };
}

type Queue<T> = {
  readonly table: Parameters<typeof markSwept>[1];
  readonly items: readonly T[];
  readonly until: number;
  /** Puts one to the end of its queue; `swept_at` does where nothing else is said. */
  readonly mark?: (id: string) => Promise<void>;
};

/**
 * Judges each by itself: one that cannot be handled is counted and told, and stops no other.
 * @param visit answers whether there was something to mend.
 */
async function visitEach<T extends { readonly id: string }>(
  deps: ActivityDeps,
  { table, items, until, mark = (id) => markSwept(deps.pool, table, id) }: Queue<T>,
  visit: (deps: ActivityDeps, item: T) => Promise<boolean>,
): Promise<Swept> {
  let [seen, mended, failed] = [0, 0, 0];
  for (const item of items) {
    if (Date.now() > until) break;
    seen += 1;
    try {
      await mark(item.id);
      if (await visit(deps, item)) mended += 1;
    } catch (error) {
      failed += 1;
      // Names only: PostgreSQL's messages may quote a row.
      const kind = error instanceof Error ? error.constructor.name : typeof error;
      const refusal = refusalOf(error);
      const reason = refusal === null ? kind : `Temporal refused it: ${refusal}`;
      log.warn(`the sweeper could not handle ${item.id}: ${reason}`);
    }
  }
  return { seen, mended, failed };
}

function sumOf(parts: readonly Swept[]): Swept {
  const total = (name: keyof Swept) => parts.reduce((sum, part) => sum + part[name], 0);
  return { seen: total('seen'), mended: total('mended'), failed: total('failed') };
}
