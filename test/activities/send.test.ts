import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { type ChargeInput, createCharge } from '../../activities/charge.ts';
import { sealCustomer } from '../../db/customers.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import { record } from '../../db/record.ts';
import { ProviderError, type ProviderErrorKind } from '../../domain/error.ts';
import type { ChargeResult } from '../../domain/outcome.ts';
import type { Payment } from '../../domain/payment.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { dispatch, MERCHANT, makeRecord, storePayment, VAULT } from '../factories.ts';
import { depsFor } from './deps.ts';

/** What a charge's runs may say of each other: a later failure never proves that nothing left. */
let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
});
afterAll(() => database.close());

/** How one run goes: where it breaks, or how it ends. */
type Run =
  | { readonly before: ProviderErrorKind }
  | { readonly after: ProviderErrorKind }
  | { readonly says: ChargeResult['kind'] };

const PENDING = { kind: 'pending', providerPaymentId: 'pi_1', providerCode: null, message: '' };

/** The real activity over the real rows; only the provider's client follows a script. */
function openProvider(runs: readonly Run[]) {
  const told = { sends: 0, asked: 0 };
  const client = {
    async charge(_request, { dispatch: claim }) {
      const run = runs[told.asked] ?? { says: 'pending' };
      told.asked += 1;
      if ('before' in run) throw new ProviderError(run.before, 'the token could not be had');
      await claim();
      told.sends += 1;
      if ('after' in run) throw new ProviderError(run.after, 'so it said');
      return { ...PENDING, kind: 'pending' } as const;
    },
    lookup: () => Promise.reject(new ProviderError('unsent', 'not asked here')),
    close: () => Promise.resolve(),
  } satisfies ProviderClient;
  return { told, client };
}

async function charge(payment: Payment, client: ProviderClient, send = 1) {
  const input = { ...inputOf(payment), send };
  const activities = createCharge(depsFor(pool, client));
  try {
    const quiet = { logger: new DefaultLogger('ERROR') };
    return {
      answer: await new MockActivityEnvironment({}, quiet).run(
        (it: ChargeInput) => activities.charge(it),
        input,
      ),
    };
  } catch (error) {
    if (!(error instanceof ApplicationFailure)) throw error;
    return {
      kind: error.type,
      isRetried: error.nonRetryable !== true,
      details: error.details?.[0],
    };
  }
}

function inputOf(payment: Payment): Omit<ChargeInput, 'send'> {
  const { id, attemptId, workflowId, provider, credentialsRef, amountMinor, currency } = payment;
  const timeoutMs = 1_000;
  return {
    paymentId: id,
    attemptId,
    workflowId,
    provider,
    credentialsRef,
    amountMinor,
    currency,
    timeoutMs,
  };
}

const storeFor = (provider: string) => storePayment(pool, { provider });
const PROVEN = ['unsent', 'rate_limited', 'misconfigured', 'not_dispatched'] as const;

describe.each(['stripe', 'cpay'])('%s, which takes our key', (provider) => {
  test.each(PROVEN)('after a lost answer, %s proves nothing', async (kind) => {
    const payment = await storeFor(provider);
    const { told, client } = openProvider([{ after: 'ambiguous' }, { after: kind }]);
    expect(await charge(payment, client)).toMatchObject({ kind: 'ambiguous', isRetried: true });
    expect(await charge(payment, client)).toMatchObject({
      kind: 'ambiguous',
      isRetried: true,
      details: { dispatched: true },
    });
    expect(told.sends).toBe(2);
  });

  test.each(PROVEN)('after a lost answer, %s before the send proves nothing', async (kind) => {
    const payment = await storeFor(provider);
    const { client } = openProvider([{ after: 'ambiguous' }, { before: kind }]);
    await charge(payment, client);
    expect(await charge(payment, client)).toMatchObject({
      kind: 'ambiguous',
      details: { dispatched: true },
    });
  });

  test('a send as old as the provider’s memory of keys is not repeated', async () => {
    const payment = await storeFor(provider);
    const { told, client } = openProvider([{ after: 'ambiguous' }]);
    await charge(payment, client);
    await database.queryAsOwner(
      "UPDATE attempts SET dispatched_at = now() - interval '25 hours' WHERE id = $1",
      [payment.attemptId],
    );
    expect(await charge(payment, client)).toMatchObject({ kind: 'ambiguous', isRetried: false });
    expect(told.sends).toBe(1);
  });

  test('a send whose id is known is not repeated but asked about', async () => {
    const payment = await storeFor(provider);
    await dispatch(pool, payment);
    await record(pool, makeRecord(payment, { providerPaymentId: 'pi_9' }));
    const { told, client } = openProvider([]);
    expect(await charge(payment, client)).toMatchObject({
      answer: { kind: 'pending', providerPaymentId: 'pi_9' },
    });
    expect(told.asked).toBe(0);
  });
});

describe('M-Pesa, which takes none', () => {
  test.each(PROVEN)('after a kill, %s for the token proves nothing', async (kind) => {
    const payment = await storeFor('mpesa');
    await dispatch(pool, payment);
    const { told, client } = openProvider([{ before: kind }]);
    expect(await charge(payment, client)).toMatchObject({
      kind: 'ambiguous',
      isRetried: false,
      details: { dispatched: true },
    });
    expect(told.asked).toBe(0);
  });

  test('a failure before the claim says that nothing was claimed', async () => {
    const payment = await storeFor('mpesa');
    const { client } = openProvider([{ before: 'unsent' }, { says: 'pending' }]);
    expect(await charge(payment, client)).toMatchObject({
      kind: 'unsent',
      details: { dispatched: false },
    });
    expect(await charge(payment, client)).toMatchObject({ answer: { kind: 'pending' } });
  });
});

test('a prompt is not sent again while another payment of ours rings that phone', async () => {
  const ringing = () => {
    const id = newId('payment');
    const payer = { id: null, phone: '+254700000101', email: null, name: null };
    return storePayment(pool, { id, customer: sealCustomer(VAULT, id, payer) });
  };
  const payment = await ringing();
  const { told, client } = openProvider([{ after: 'unsent' }, { says: 'pending' }]);
  expect(await charge(payment, client)).toMatchObject({ kind: 'unsent' });
  await dispatch(pool, await ringing());
  expect(await charge(payment, client, 2)).toMatchObject({
    kind: 'unsent',
    isRetried: false,
    details: { dispatched: false, failureCode: 'payer_busy' },
  });
  expect(told.sends).toBe(1);
});
