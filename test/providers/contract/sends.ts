import type { ProviderClient } from '../../../domain/provider.ts';
import type { SendName } from './description.ts';
import {
  ask,
  CALL_TIMEOUT_MS,
  chargeToEnd,
  expectLedger,
  type Harness,
  lookUp,
  makeContext,
  type Settled,
} from './harness.ts';
import { makeRefund, refundOf, takeRefundEvent } from './refunds.ts';

/** A call that moves money, or lets go of it, with all that it takes at hand. */
export type Send = {
  /** The same each time: same ids, same key. */
  make(changes?: SendChanges): Promise<{ readonly kind: string }>;
  /** What it is answered when all is well. */
  readonly answer: string;
  /** In the ledger, once, and as whoever has no answer finds it by asking or hears it. */
  expectDone(): Promise<void>;
  /** Neither in the ledger, nor concluded by asking. */
  expectUndone(): Promise<void>;
};
export type SendChanges = {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly client?: ProviderClient;
};

// table
export const SENDS: Readonly<Record<SendName, (harness: Harness) => Promise<Send>>> = {
  charge: prepareCharge,
  capture: prepareCapture,
  cancel: prepareCancel,
  refund: prepareRefund,
};

async function prepareCharge(harness: Harness): Promise<Send> {
  const { pays, provider } = harness.description;
  const request = ask(harness, pays);
  const isPaid = pays.answers === 'succeeded';
  const capturedMinor = isPaid ? request.amount.amountMinor : 0;
  const isFound = provider.capabilities.looks_up_by_our_id;
  return {
    answer: pays.answers,
    make: ({ timeoutMs = CALL_TIMEOUT_MS, signal, client = harness.client() } = {}) =>
      client.charge({ ...request, timeoutMs }, makeContext(signal && { signal })),
    async expectDone() {
      await expectLedger(harness, request, [{ capturedMinor }]);
      if (!isFound) return;
      const [payment] = await harness.counterpart().listPayments(request);
      const { providerPaymentId } = payment ?? {};
      const kind = isPaid ? 'succeeded' : 'pending';
      expect(await lookUp(harness, request, null)).toMatchObject({ kind, providerPaymentId });
    },
    async expectUndone() {
      await expectLedger(harness, request, []);
      if (isFound) expect(await lookUp(harness, request, null)).toMatchObject({ kind: 'unknown' });
    },
  };
}

/** A payment whose money is held. */
export async function authorize(harness: Harness): Promise<Settled> {
  const held = await chargeToEnd(harness, harness.description.pays, { captureMethod: 'manual' });
  expect(held.result).toMatchObject({ kind: 'authorized', money: held.request.amount });
  await expectLedger(harness, held.request, [HELD]);
  return held;
}

export function followUp({ request, providerPaymentId }: Settled, step: 'capture' | 'cancel') {
  const { attemptRef, amount } = request;
  const idempotencyKey = `${attemptRef}/${step}`;
  return { providerPaymentId, idempotencyKey, amount, timeoutMs: CALL_TIMEOUT_MS };
}

const HELD = { capturedMinor: 0, refundedMinor: 0, isCanceled: false } as const;

async function expectHeld(
  harness: Harness,
  { request, providerPaymentId }: Settled,
): Promise<void> {
  await expectLedger(harness, request, [HELD]);
  expect(await lookUp(harness, request, providerPaymentId)).toMatchObject({ kind: 'authorized' });
}

async function prepareCapture(harness: Harness): Promise<Send> {
  const held = await authorize(harness);
  const { request, providerPaymentId } = held;
  // Half of it, so that a second one would show.
  const money = { ...request.amount, amountMinor: request.amount.amountMinor / 2 };
  const call = { ...followUp(held, 'capture'), amount: money };
  return {
    answer: 'succeeded',
    async make({ timeoutMs = CALL_TIMEOUT_MS, signal = OPEN, client = harness.client() } = {}) {
      return orMissing(await client.capture?.({ ...call, timeoutMs }, signal));
    },
    async expectDone() {
      await expectLedger(harness, request, [{ ...HELD, capturedMinor: money.amountMinor }]);
      const found = await lookUp(harness, request, providerPaymentId);
      expect(found).toMatchObject({ kind: 'succeeded', money });
    },
    expectUndone: () => expectHeld(harness, held),
  };
}

async function prepareCancel(harness: Harness): Promise<Send> {
  const held = await authorize(harness);
  const { request, providerPaymentId } = held;
  return {
    answer: 'canceled',
    async make({ timeoutMs = CALL_TIMEOUT_MS, signal = OPEN, client = harness.client() } = {}) {
      return orMissing(await client.cancel?.({ ...followUp(held, 'cancel'), timeoutMs }, signal));
    },
    async expectDone() {
      await expectLedger(harness, request, [{ ...HELD, isCanceled: true }]);
      expect(await lookUp(harness, request, providerPaymentId)).toMatchObject({ kind: 'canceled' });
    },
    expectUndone: () => expectHeld(harness, held),
  };
}

async function prepareRefund(harness: Harness): Promise<Send> {
  const { refund, looks_up_refunds } = harness.description.provider.capabilities;
  const paid = await chargeToEnd(harness, harness.description.pays);
  const capturedMinor = paid.request.amount.amountMinor;
  // Half of it, so that a second one would show.
  const call = await makeRefund(harness, paid, capturedMinor / 2);
  const { amountMinor } = call.amount;
  const lookUpRefund = async () => {
    const question = { ...call, providerRefundId: null };
    return orMissing(await harness.client().lookupRefund?.(question, OPEN));
  };
  return {
    answer: refund === 'sync' ? 'succeeded' : 'pending',
    make: ({ timeoutMs = CALL_TIMEOUT_MS, signal, client = harness.client() } = {}) =>
      refundOf(client, { ...call, timeoutMs }, makeContext(signal && { signal })),
    async expectDone() {
      if (refund === 'async') await takeRefundEvent(harness, call);
      await expectLedger(harness, paid.request, [{ capturedMinor, refundedMinor: amountMinor }]);
      if (looks_up_refunds !== 'sync') return;
      expect(await lookUpRefund()).toMatchObject({ kind: 'succeeded', amountMinor });
    },
    async expectUndone() {
      await expectLedger(harness, paid.request, [{ capturedMinor, refundedMinor: 0 }]);
      if (looks_up_refunds !== 'sync') return;
      expect(await lookUpRefund()).toMatchObject({ kind: 'unknown' });
    },
  };
}

const OPEN = new AbortController().signal;

function orMissing<T>(answer: T | undefined): T {
  if (answer === undefined) throw new Error('its client has no such method');
  return answer;
}
