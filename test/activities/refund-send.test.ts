import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createRefund, type RefundSendInput } from '../../activities/refund.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { listRefunds } from '../../db/refunds.ts';
import { ProviderError } from '../../domain/error.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import type { ProviderRefund } from '../../domain/provider-refund.ts';
import {
  type RefundFailureCode,
  type RefundOutcome,
  refundFailed,
  refundFailure,
} from '../../domain/refund.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, storePaymentIn, storeRefund } from '../factories.ts';
import { depsFor } from './deps.ts';

/** What the runs of a refund's send may say of each other. */
let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
});
afterAll(() => database.close());

async function storeOrder(provider: string): Promise<RefundSendInput> {
  const payment = await storePaymentIn(database.pool, 'succeeded', {
    provider,
    credentialsRef: `env:${provider}`,
  });
  const { id, workflowId } = await storeRefund(database.pool, payment, { amountMinor: 10_000 });
  const providerPaymentId = `pi_${id}`;
  await database.queryAsOwner(
    'UPDATE attempts SET provider_payment_id = $2 WHERE payment_id = $1',
    [payment.id, providerPaymentId],
  );
  return {
    refundId: id,
    paymentId: payment.id,
    workflowId,
    provider,
    credentialsRef: `env:${provider}`,
    amountMinor: 10_000,
    currency: payment.currency,
    providerPaymentId,
    providerReceipt: null,
    send: 1,
    timeoutMs: 1_000,
  };
}

/** One run of the real activity over the real rows, in which the provider says this. */
async function run(
  input: RefundSendInput,
  said: RefundOutcome | 'nothing',
  list?: () => readonly ProviderRefund[],
) {
  const refuse = () => Promise.reject(new Error('not asked here'));
  const client: ProviderClient = {
    charge: refuse,
    lookup: refuse,
    close: () => Promise.resolve(),
    ...(list === undefined ? {} : { listProviderRefunds: async () => list() }),
    async refund(_request, { dispatch }) {
      await dispatch();
      if (said === 'nothing') throw new ProviderError('ambiguous', 'the answer was lost');
      return said;
    },
  };
  const activities = createRefund(depsFor(database.pool, client));
  const quiet = { logger: new DefaultLogger('ERROR') };
  try {
    const environment = new MockActivityEnvironment({}, quiet);
    return await environment.run((it: RefundSendInput) => activities.refund(it), input);
  } catch (error) {
    if (!(error instanceof ApplicationFailure)) throw error;
    return { thrown: error.type, isRetried: error.nonRetryable !== true };
  }
}

/** A refund of KES that somebody made in the dashboard. */
function madeThere(
  { providerPaymentId }: RefundSendInput,
  providerRefundId: string,
  amountMinor: number,
): ProviderRefund {
  if (providerPaymentId === null) throw new Error('it has no id');
  const nothing = { receipt: null, failure: null, providerCode: 'succeeded' };
  const result = { kind: 'succeeded', providerRefundId, amountMinor, ...nothing } as const;
  const place = { providerRefundId, providerPaymentId };
  return { ...place, amountMinor, currency: 'KES', result };
}

const failedBy = (code: RefundFailureCode) => refundFailed(refundFailure(code, code));

describe.each(['stripe', 'cpay'])('%s, which takes our key', (provider) => {
  test('“reversed already” is an answer to the first run', async () => {
    const input = await storeOrder(provider);
    const answer = failedBy('already_reversed');
    expect(await run(input, answer)).toEqual(answer);
  });

  test.each(['already_reversed', 'amount_refused'] as const)(
    '“%s” proves nothing to a later run: the first may have done it',
    async (code) => {
      const input = await storeOrder(provider);
      expect(await run(input, 'nothing')).toEqual({ thrown: 'ambiguous', isRetried: true });
      const doubt = { thrown: 'ambiguous', isRetried: false };
      expect(await run(input, failedBy(code))).toEqual(doubt);
    },
  );

  // table
  test.each([
    ['a part of it', [2_000], 'amount_refused', /KES 80\.00 \(8000\) can be refunded/],
    ['two parts', [2_000, 3_000], 'amount_refused', /KES 50\.00 \(5000\) can be refunded/],
    ['all of it', [10_000], 'already_reversed', /KES 0\.00 \(0\) can be refunded/],
  ] as const)('where %s was refunded at the provider, it is found', async (...each) => {
    const [, amounts, code, message] = each;
    const input = await storeOrder(provider);
    const found = amounts.map((amountMinor, place) => madeThere(input, `re_${place}`, amountMinor));
    const answer = await run(input, failedBy('amount_refused'), () => found);
    expect(answer).toMatchObject({ failure: { code, message: expect.stringMatching(message) } });
    const listed = await listRefunds(database.pool, input.paymentId, null, 10);
    const foreign = listed.filter(({ origin }) => origin === 'provider');
    expect(foreign.map(({ status, amountMinor }) => [status, amountMinor])).toEqual(
      amounts.map((amountMinor) => ['succeeded', amountMinor]),
    );
  });

  test('where none was found that explains it, nothing is told of what is left', async () => {
    const answer = failedBy('amount_refused');
    expect(await run(await storeOrder(provider), answer, () => [])).toEqual(answer);
  });

  test('where they cannot be asked for now, the refusal stands as it came', async () => {
    const answer = failedBy('amount_refused');
    const fail = () => {
      throw new ProviderError('ambiguous', 'no answer');
    };
    expect(await run(await storeOrder(provider), answer, fail)).toEqual(answer);
  });

  test('a refund of ours that failed is one to a later run too', async () => {
    const input = await storeOrder(provider);
    await run(input, 'nothing');
    const answer = { ...failedBy('already_reversed'), providerRefundId: 're_1' };
    expect(await run(input, answer)).toEqual(answer);
  });

  test.each(['declined', 'insufficient_balance', 'disputed'] as const)(
    'what the first run cannot have brought about is an answer to a later one: %s',
    async (code) => {
      const input = await storeOrder(provider);
      await run(input, 'nothing');
      expect(await run(input, failedBy(code))).toEqual(failedBy(code));
    },
  );
});
