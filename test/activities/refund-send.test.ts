import { randomBytes } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createRefund, type RefundSendInput } from '../../activities/refund.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { insertRefund } from '../../db/refunds.ts';
import { ProviderError } from '../../domain/error.ts';
import { refundWorkflowId } from '../../domain/id.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import {
  type RefundFailureCode,
  type RefundOutcome,
  refundFailed,
  refundFailure,
} from '../../domain/refund.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, storePaymentIn, VAULT } from '../factories.ts';

/** What the runs of a refund's send may say of each other. */
let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
});
afterAll(() => database.close());

async function storeRefund(provider: string): Promise<RefundSendInput> {
  const { id: paymentId, currency } = await storePaymentIn(database.pool, 'succeeded', {
    provider,
  });
  const refundId = newId('refund');
  const workflowId = refundWorkflowId(randomBytes(16).toString('hex'));
  const inserted = await insertRefund(database.pool, {
    id: refundId,
    paymentId,
    merchantId: MERCHANT.id,
    idempotencyKey: refundId,
    fingerprint: 'f'.repeat(64),
    workflowId,
    amountMinor: 10_000,
    reason: null,
    metadata: {},
  });
  if (inserted.kind !== 'inserted') throw new Error(inserted.kind);
  return {
    refundId,
    paymentId,
    workflowId,
    provider,
    credentialsRef: `env:${provider}`,
    amountMinor: 10_000,
    currency,
    providerPaymentId: 'ch_1',
    providerReceipt: null,
    send: 1,
    timeoutMs: 1_000,
  };
}

/** One run of the real activity over the real rows, in which the provider says this. */
async function run(input: RefundSendInput, said: RefundOutcome | 'nothing') {
  const refuse = () => Promise.reject(new Error('not asked here'));
  const client: ProviderClient = {
    charge: refuse,
    lookup: refuse,
    close: () => Promise.resolve(),
    async refund(_request, { dispatch }) {
      await dispatch();
      if (said === 'nothing') throw new ProviderError('ambiguous', 'the answer was lost');
      return said;
    },
  };
  const activities = createRefund({
    pool: database.pool,
    vault: VAULT,
    clientFor: () => Promise.resolve(client),
    callbackUrl: () => 'http://127.0.0.1:1/cb',
    refundCallbackUrls: () => ({}),
    allowsLoopback: true,
    get temporal(): never {
      throw new Error('a refund speaks to no workflow');
    },
  });
  const quiet = { logger: new DefaultLogger('ERROR') };
  try {
    const environment = new MockActivityEnvironment({}, quiet);
    return await environment.run((it: RefundSendInput) => activities.refund(it), input);
  } catch (error) {
    if (!(error instanceof ApplicationFailure)) throw error;
    return { thrown: error.type, isRetried: error.nonRetryable !== true };
  }
}

const failedBy = (code: RefundFailureCode) => refundFailed(refundFailure(code, code));

describe.each(['stripe', 'cpay'])('%s, which takes our key', (provider) => {
  test('“reversed already” is an answer to the first run', async () => {
    const input = await storeRefund(provider);
    const answer = failedBy('already_reversed');
    expect(await run(input, answer)).toEqual(answer);
  });

  test('“reversed already” proves nothing to a later run: the first may have done it', async () => {
    const input = await storeRefund(provider);
    expect(await run(input, 'nothing')).toEqual({ thrown: 'ambiguous', isRetried: true });
    const doubt = { thrown: 'ambiguous', isRetried: false };
    expect(await run(input, failedBy('already_reversed'))).toEqual(doubt);
  });

  test('a refund of ours that failed is one to a later run too', async () => {
    const input = await storeRefund(provider);
    await run(input, 'nothing');
    const answer = { ...failedBy('already_reversed'), providerRefundId: 're_1' };
    expect(await run(input, answer)).toEqual(answer);
  });

  test.each(['declined', 'insufficient_balance', 'disputed'] as const)(
    'what the first run cannot have brought about is an answer to a later one: %s',
    async (code) => {
      const input = await storeRefund(provider);
      await run(input, 'nothing');
      expect(await run(input, failedBy(code))).toEqual(failedBy(code));
    },
  );
});
