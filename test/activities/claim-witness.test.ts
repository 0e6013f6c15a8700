import { randomBytes } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createProviderActivities } from '../../activities/index.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { ProviderError } from '../../domain/error.ts';
import { refundWorkflowId } from '../../domain/id.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, storePayment, storePaymentIn, storeRefund } from '../factories.ts';
import { depsFor } from './deps.ts';

/** The claim and the worker are lost together: what Temporal was told of the claim still counts. */
let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
});
afterAll(() => database.close());

/** How a run ends: it is killed before the claim or after it, or the provider answers. */
type End = 'before the claim' | 'after the claim' | 'answered';
type Step = 'charge' | 'refund';

const SAID = { kind: 'pending', providerCode: null, message: '' } as const;
const ANSWERS = {
  charge: { ...SAID, providerPaymentId: 'ws_CO_1' },
  refund: { ...SAID, providerRefundId: 're_1' },
} as const;

function openProvider(step: Step, end: End) {
  const told = { sends: 0 };
  const send = async ({ dispatch }: { dispatch: () => Promise<void> }) => {
    if (end === 'before the claim') throw new ProviderError('not_dispatched', 'killed');
    await dispatch();
    told.sends += 1;
    if (end === 'after the claim') throw new ProviderError('ambiguous', 'killed');
  };
  const refuse = () => Promise.reject(new Error(`not asked for a ${step}`));
  const client: ProviderClient = {
    lookup: refuse,
    close: () => Promise.resolve(),
    async charge(_request, context) {
      await send(context);
      return ANSWERS.charge;
    },
    async refund(_request, context) {
      await send(context);
      return ANSWERS.refund;
    },
  };
  return { told, client };
}

type Order = Awaited<ReturnType<typeof storeOrder>>;

async function storeOrder(step: Step, provider: string) {
  const { pool } = database;
  const changes = { provider };
  const payment =
    step === 'charge'
      ? await storePayment(pool, changes)
      : await storePaymentIn(pool, 'succeeded', changes);
  const refundId = newId('refund');
  const hash = randomBytes(16).toString('hex');
  if (step === 'refund') {
    const keys = { id: refundId, workflowId: refundWorkflowId(hash) };
    await storeRefund(pool, payment, { ...keys, amountMinor: 10_000 });
  }
  return {
    refundId,
    paymentId: payment.id,
    attemptId: payment.attemptId,
    workflowId: step === 'charge' ? payment.workflowId : refundWorkflowId(hash),
    provider,
    credentialsRef: `env:${provider}`,
    amountMinor: 10_000,
    currency: payment.currency,
    providerPaymentId: 'ch_1',
    providerReceipt: null,
    send: 1,
    timeoutMs: 1_000,
  };
}

/** The row as it was before this send was claimed. */
async function forgetClaim(step: Step, { paymentId, attemptId, refundId }: Order): Promise<void> {
  const unsent = 'dispatch_count = 0, dispatch_nonce = NULL, dispatched_at = NULL';
  // The trail is for appending: only who puts a backup back can shorten it.
  await database.asRestore(
    `DELETE FROM audit_entries WHERE payment_id = '${paymentId}' AND key LIKE '%dispatched/%'`,
  );
  if (step === 'refund') {
    await database.queryAsOwner(`UPDATE refunds SET ${unsent} WHERE id = $1`, [refundId]);
    return;
  }
  await database.queryAsOwner(`UPDATE attempts SET status = 'prepared', ${unsent} WHERE id = $1`, [
    attemptId,
  ]);
  await database.queryAsOwner(`UPDATE payments SET status = 'created' WHERE id = $1`, [paymentId]);
}

/** One run of the activity. @param details what Temporal holds of the run before. */
async function run(step: Step, order: Order, end: End, details?: unknown) {
  const { told, client } = openProvider(step, end);
  const activities = createProviderActivities(depsFor(database.pool, client));
  const info = details === undefined ? {} : { attempt: 2, heartbeatDetails: details };
  const environment = new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });
  const beats: unknown[] = [];
  environment.on('heartbeat', (beat: unknown) => void beats.push(beat));
  const call = async (it: Order): Promise<string> =>
    (await (step === 'charge' ? activities.charge(it) : activities.refund(it))).kind;
  const result: unknown = await environment
    .run(call, order)
    .catch((error: unknown) => (error instanceof ApplicationFailure ? error.type : error));
  return { result, sends: told.sends, lastBeat: beats.at(-1) };
}

const STEPS = ['charge', 'refund'] as const;

describe.each(STEPS)('a %s whose claim the database forgot', (step) => {
  it('is not sent again where the provider takes no key', async () => {
    const order = await storeOrder(step, 'mpesa');
    const first = await run(step, order, 'after the claim');
    expect([first.result, first.sends]).toEqual(['ambiguous', 1]);
    await forgetClaim(step, order);
    expect(await run(step, order, 'answered', first.lastBeat)).toMatchObject({
      result: 'ambiguous',
      sends: 0,
      // A third run hears of it as well.
      lastBeat: first.lastBeat,
    });
  });

  it('is repeated under its key where the provider takes one', async () => {
    const order = await storeOrder(step, 'stripe');
    const first = await run(step, order, 'after the claim');
    await forgetClaim(step, order);
    const second = await run(step, order, 'answered', first.lastBeat);
    expect([second.result, second.sends]).toEqual(['pending', 1]);
    await forgetClaim(step, order);
    const refused = await run(step, order, 'before the claim', first.lastBeat);
    expect([refused.result, refused.sends]).toEqual(['ambiguous', 0]);
  });

  it('is sent when the run before was lost earlier than its claim', async () => {
    const order = await storeOrder(step, 'mpesa');
    const first = await run(step, order, 'before the claim');
    expect([first.sends, first.lastBeat]).toEqual([0, undefined]);
    const second = await run(step, order, 'answered', first.lastBeat ?? null);
    expect([second.result, second.sends]).toEqual(['pending', 1]);
  });

  it('goes on with the provider’s id, where the lost run was told one', async () => {
    const order = await storeOrder(step, 'mpesa');
    const first = await run(step, order, 'answered');
    await forgetClaim(step, order);
    const second = await run(step, order, 'answered', first.lastBeat);
    expect([second.result, second.sends]).toEqual(['pending', 0]);
  });
});
