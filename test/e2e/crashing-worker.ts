import { z } from 'zod';
import type { ActivityDeps } from '../../activities/index.ts';
import type { Connection, Pool } from '../../db/pool.ts';
import { sql } from '../../db/sql.ts';
import type { ChargeContext, ProviderClient } from '../../domain/provider.ts';
import { runWorker } from '../../worker/run.ts';
import { openPlan, type Point, type Step } from './crash-plan.ts';

/**
 * The worker, which ends itself by SIGKILL in the middle of its work: each part of the plan is
 * held at its point, and when the last one is where it should be, all are cut at once. After that,
 * and without a plan, it is a worker like any other.
 */
const plan = openPlan(process.env.CRASH_FOLDER ?? '');
const held = new Set<string>();

type Call = { readonly amount: { readonly amountMinor: number } };

/** Returns at once for what is not to be cut here; else never. */
function reach(step: Step, point: Point, { amount }: Call): Promise<void> {
  return cutAt(step, point, String(amount.amountMinor));
}

async function cutAt(step: Step, point: Point, own: string): Promise<void> {
  const planned = plan.read() ?? {};
  if (planned[own]?.step !== step || planned[own].point !== point) return;
  held.add(own);
  if (held.size === Object.keys(planned).length) {
    plan.markDone([...held]);
    process.kill(process.pid, 'SIGKILL');
  }
  await new Promise(() => undefined);
}

/** A call that claims its send right before the first byte leaves. */
async function claimed<Request extends Call, Answer>(
  step: Step,
  request: Request,
  context: ChargeContext,
  send: (request: Request, context: ChargeContext) => Promise<Answer>,
): Promise<Answer> {
  const dispatch = async () => {
    await reach(step, 'before the claim', request);
    await context.dispatch();
    await reach(step, 'between claim and send', request);
  };
  const answer = await send(request, { ...context, dispatch });
  await reach(step, 'after the answer', request);
  return answer;
}

function cut(client: ProviderClient): ProviderClient {
  const charge = client.charge.bind(client);
  const refund = client.refund?.bind(client);
  const capture = client.capture?.bind(client);
  return {
    ...client,
    charge: (request, context) => claimed('charge', request, context, charge),
    ...(refund && {
      refund: (request, context) => claimed('refund', request, context, refund),
    }),
    ...(capture && {
      async capture(request, signal) {
        await reach('capture', 'before the send', request);
        const answer = await capture(request, signal);
        await reach('capture', 'after the answer', request);
        return answer;
      },
    }),
  };
}

/** Every transaction passes here; only one that settles a payment of the plan is held. */
function cutWrites(pool: Pool): Pool {
  const transaction: Pool['transaction'] = async (work, retryLimit) => {
    let settled: readonly string[] = [];
    const result = await pool.transaction(async (db) => {
      const written = await work(db);
      settled = await listSettled(db);
      for (const own of settled) await cutAt('settle', 'before its commit', own);
      return written;
    }, retryLimit);
    for (const own of settled) await cutAt('settle', 'after its commit', own);
    return result;
  };
  return { ...pool, transaction };
}

/** The amounts of the payments that this very transaction wrote as succeeded. */
async function listSettled(db: Connection): Promise<readonly string[]> {
  if (plan.read() === null) return [];
  const rows = await db.any(sql.type(z.object({ amount: z.int() }))`
    SELECT amount FROM payments
    WHERE status = 'succeeded' AND xmin = pg_current_xact_id()::xid`);
  return rows.map(({ amount }) => String(amount));
}

const adapt = (deps: ActivityDeps): ActivityDeps => ({
  ...deps,
  pool: cutWrites(deps.pool),
  clientFor: async (provider, ref) => cut(await deps.clientFor(provider, ref)),
});

process.exit(await runWorker(adapt));
