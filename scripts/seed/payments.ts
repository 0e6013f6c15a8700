import { fingerprintOf } from '../../api/payments/fingerprint.ts';
import { sealCustomer } from '../../db/customers.ts';
import { recordDispatch } from '../../db/dispatch.ts';
import { insertPayment } from '../../db/payments.ts';
import { record } from '../../db/record.ts';
import { paymentWorkflowId } from '../../domain/id.ts';
import type { Payment } from '../../domain/payment.ts';
import { ageStory, isAged } from './age.ts';
import { providerIdsOf, storeCallback } from './callbacks.ts';
import type { Parts } from './parts.ts';
import type { PlannedPayment } from './plan.ts';
import { storeRefund } from './refunds.ts';
import { isSent, type ProviderIds, type Step, tellStory } from './story.ts';

const BLANK = {
  event: null,
  outcome: null,
  nextAction: null,
  providerPaymentId: null,
  reviewReason: null,
  waitingFor: null,
  waitMs: null,
  webhook: null,
} as const;

/**
 * Leads a payment through its story by the functions that the engine itself goes by, and then puts
 * its times into the past, which also marks it as done. Begun and cut off, it is taken up again.
 * @returns false when it was done before.
 */
export async function storePayment(
  parts: Parts,
  merchantId: string,
  planned: PlannedPayment,
): Promise<boolean> {
  const { pool } = parts;
  if (await isAged(pool, planned)) return false;
  const ids = providerIdsOf(planned);
  const payment = await begin(parts, merchantId, planned);
  if (isSent(planned)) {
    const { id, attemptId } = payment;
    await recordDispatch(pool, { paymentId: id, attemptId, send: 1, nonce: 'demo' });
  }
  const steps = tellStory(planned, ids);
  for (const [index, step] of steps.entries()) {
    const at = timeOf(planned, (index + 1) / steps.length);
    await take(parts, planned, payment, { ...step, cause: `${step.cause} ${at}` }, ids);
  }
  if (planned.refund !== null) await storeRefund(parts, payment, planned.refund);
  await ageStory(parts.owner, planned);
  return true;
}

/** The trail has its own clock, which nobody sets: when it was in the story stands in the words. */
function timeOf({ createdMs, endedMs }: PlannedPayment, share: number): string {
  const at = new Date(createdMs + (endedMs - createdMs) * share);
  return `(demo data of ${at.toISOString()})`;
}

async function begin(
  { pool, vault, policies, seed }: Parts,
  merchantId: string,
  planned: PlannedPayment,
): Promise<Payment> {
  const { id, attemptId, provider, amountMinor, currency, payer, number, ending, item } = planned;
  const idempotencyKey = `demo-${seed}-${number}`;
  const policy = policies.providers[provider];
  if (policy === undefined) throw new Error(`${provider} has no policy`);
  const hash = vault.hash('workflow-id', `${merchantId}\n${idempotencyKey}`);
  const isCard = provider === 'stripe';
  const isHeld = ending.status === 'authorized';
  const isLapsed = 'failure' in ending && ending.failure === 'authorization_expired';
  const { payment } = await insertPayment(pool, {
    id,
    attemptId,
    merchantId,
    idempotencyKey,
    fingerprint: fingerprintOf(vault, { demo: idempotencyKey }),
    workflowId: paymentWorkflowId(hash.toString('hex').slice(0, 32)),
    provider,
    credentialsRef: `env:${provider}`,
    amountMinor,
    currency,
    customer: sealCustomer(vault, id, { ...payer, phone: isCard ? null : payer.phone }),
    paymentMethod: isCard ? 'pm_card_visa' : null,
    captureMethod: isHeld || isLapsed ? 'manual' : 'automatic',
    reference: `DEMO-${String(number).padStart(5, '0')}`,
    description: item,
    returnUrl: isCard ? `https://${planned.shop.host}/thanks` : null,
    metadata: { order: `D-${1000 + number}`, channel: planned.chance.pick(['web', 'app', 'till']) },
    policy,
    fallbacks: [],
    cause: `POST /api/v1/payments ${timeOf(planned, 0)}`,
  });
  return payment;
}

async function take(
  parts: Parts,
  planned: PlannedPayment,
  { id, attemptId, workflowId }: Payment,
  { callback, ...step }: Step,
  ids: ProviderIds,
): Promise<void> {
  const told = step.outcome ?? wrongAmount(planned, ids);
  const webhook =
    callback === undefined
      ? null
      : {
          eventId: await storeCallback(parts, planned, workflowId, told),
          status: callback,
          note: callback === 'parked' ? step.cause : null,
        };
  const { providerPaymentId } = ids;
  await record(parts.pool, {
    ...BLANK,
    ...step,
    paymentId: id,
    attemptId,
    providerPaymentId: step.outcome?.kind === 'canceled' ? null : providerPaymentId,
    webhook,
  });
}

/** What a callback says that nobody believes. */
function wrongAmount({ amountMinor, currency }: PlannedPayment, ids: ProviderIds) {
  const money = { amountMinor: amountMinor + 100, currency };
  return { kind: 'succeeded', ...ids, money, failure: null, providerCode: '0' } as const;
}
