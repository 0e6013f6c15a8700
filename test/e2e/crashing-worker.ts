import { z } from 'zod';
import type { ActivityDeps } from '../../activities/index.ts';
import { type Connection, openPool, type Pool } from '../../db/pool.ts';
import { sql } from '../../db/sql.ts';
import type { ChargeContext, ProviderClient } from '../../domain/provider.ts';
import { runWorker } from '../../worker/run.ts';
import { openPlan, type Point } from './crash-plan.ts';

/**
 * The worker, which ends itself by SIGKILL in the middle of its work: each part of the plan is
 * held at its point, and when the last one is where it should be, all are cut at once. After that,
 * and without a plan, it is a worker like any other.
 */
const plan = openPlan(process.env.CRASH_FOLDER ?? '');
const held = new Set<string>();

type Call = { readonly amount: { readonly amountMinor: number } };

/** Returns at once for what is not to be cut here; else never. */
function reach(point: Point, { amount }: Call): Promise<void> {
  return cutAt(point, String(amount.amountMinor));
}

async function cutAt(point: Point, own: string): Promise<void> {
  const planned = plan.read() ?? {};
  if (planned[own] !== point) return;
  held.add(own);
  if (held.size === Object.keys(planned).length) {
    plan.markDone([...held]);
    process.kill(process.pid, 'SIGKILL');
  }
  await new Promise(() => undefined);
}

/** A call that claims its send right before the first byte leaves. */
async function claimed<Request extends Call, Answer>(
  request: Request,
  context: ChargeContext,
  send: (request: Request, context: ChargeContext) => Promise<Answer>,
): Promise<Answer> {
  const dispatch = async () => {
    await reach('before the claim', request);
    await context.dispatch();
    await reach('between claim and send', request);
  };
  const answer = await send(request, { ...context, dispatch });
  await reach('after the answer', request);
  return answer;
}

function cut(client: ProviderClient): ProviderClient {
  const charge = client.charge.bind(client);
  const refund = client.refund?.bind(client);
  const capture = client.capture?.bind(client);
  return {
    ...client,
    charge: (request, context) => claimed(request, context, charge),
    ...(refund && {
      refund: (request, context) => claimed(request, context, refund),
    }),
    ...(capture && {
      async capture(request, signal) {
        await reach('before the send', request);
        const answer = await capture(request, signal);
        await reach('after the answer', request);
        return answer;
      },
    }),
  };
}

/** Every transaction passes here; only one that settles something of the plan is held. */
function cutWrites(pool: Pool): Pool {
  const transaction: Pool['transaction'] = async (work, retryLimit) => {
    let settled: readonly string[] = [];
    const result = await pool.transaction(async (db) => {
      const written = await work(db);
      settled = await listSettled(db);
      for (const own of settled) await cutAt('before its commit', own);
      return written;
    }, retryLimit);
    for (const own of settled) await cutAt('after its commit', own);
    return result;
  };
  return { ...pool, transaction };
}

/** What this very transaction wrote as taken, or as given back. */
async function listSettled(db: Connection): Promise<readonly string[]> {
  if (plan.read() === null) return [];
  const rows = await db.any(sql.type(z.object({ amount: z.int() }))`
    SELECT amount_captured AS amount FROM payments
    WHERE status = 'succeeded' AND xmin = pg_current_xact_id()::xid
    UNION ALL
    SELECT amount FROM refunds
    WHERE status = 'succeeded' AND xmin = pg_current_xact_id()::xid`);
  return rows.map(({ amount }) => String(amount));
}

/** Each write that is held keeps its connection, and its repetition waits for it on another one. */
const room = await openPool({
  databaseUrl: process.env.DATABASE_URL ?? '',
  size: 40,
  statementTimeoutMs: 30_000,
});

const adapt = (deps: ActivityDeps): ActivityDeps => ({
  ...deps,
  pool: cutWrites(room),
  clientFor: async (provider, ref) => cut(await deps.clientFor(provider, ref)),
});

process.exit(await runWorker(adapt));
