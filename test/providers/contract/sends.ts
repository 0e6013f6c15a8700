import type { ProviderClient } from '../../../domain/provider.ts';
import type { SendName } from './description.ts';
import { makeRefund, refundOf, takeRefundEvent } from './refunds.ts';
import {
  ask,
  CALL_TIMEOUT_MS,
  chargeToEnd,
  expectBook,
  lookUp,
  makeContext,
  type Settled,
  type Stage,
} from './stage.ts';

/** A call that moves money, or lets go of it, with all that it takes at hand. */
export type Send = {
  /** The same each time: same ids, same key. */
  make(changes?: SendChanges): Promise<{ readonly kind: string }>;
  /** What it is answered when all is well. */
  readonly answer: string;
  /** In the book, once, and as whoever has no answer finds it by asking or hears it. */
  expectDone(): Promise<void>;
  /** Neither in the book, nor concluded by asking. */
  expectUndone(): Promise<void>;
};
export type SendChanges = {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly client?: ProviderClient;
};

// table
export const SENDS: Readonly<Record<SendName, (stage: Stage) => Promise<Send>>> = {
  charge: prepareCharge,
  capture: prepareCapture,
  cancel: prepareCancel,
  refund: prepareRefund,
};

async function prepareCharge(stage: Stage): Promise<Send> {
  const { pays, provider } = stage.description;
  const request = ask(stage, pays);
  const isPaid = pays.answers === 'succeeded';
  const takenMinor = isPaid ? request.amount.amountMinor : 0;
  const isFound = provider.capabilities.looks_up_by_our_id;
  return {
    answer: pays.answers,
    make: ({ timeoutMs = CALL_TIMEOUT_MS, signal, client = stage.client() } = {}) =>
      client.charge({ ...request, timeoutMs }, makeContext(signal && { signal })),
    async expectDone() {
      await expectBook(stage, request, [{ takenMinor }]);
      if (!isFound) return;
      const [payment] = await stage.counterpart().listPayments(request);
      const { providerPaymentId } = payment ?? {};
      const kind = isPaid ? 'succeeded' : 'pending';
      expect(await lookUp(stage, request, null)).toMatchObject({ kind, providerPaymentId });
    },
    async expectUndone() {
      await expectBook(stage, request, []);
      if (isFound) expect(await lookUp(stage, request, null)).toMatchObject({ kind: 'unknown' });
    },
  };
}

/** A payment whose money is held. */
export async function authorize(stage: Stage): Promise<Settled> {
  const held = await chargeToEnd(stage, stage.description.pays, { captureMethod: 'manual' });
  expect(held.result).toMatchObject({ kind: 'authorized', money: held.request.amount });
  await expectBook(stage, held.request, [HELD]);
  return held;
}

export function followUp({ request, providerPaymentId }: Settled, step: 'capture' | 'cancel') {
  const { attemptRef, amount } = request;
  const idempotencyKey = `${attemptRef}/${step}`;
  return { providerPaymentId, idempotencyKey, amount, timeoutMs: CALL_TIMEOUT_MS };
}

const HELD = { takenMinor: 0, refundedMinor: 0, isCanceled: false } as const;

async function expectHeld(stage: Stage, { request, providerPaymentId }: Settled): Promise<void> {
  await expectBook(stage, request, [HELD]);
  expect(await lookUp(stage, request, providerPaymentId)).toMatchObject({ kind: 'authorized' });
}

async function prepareCapture(stage: Stage): Promise<Send> {
  const held = await authorize(stage);
  const { request, providerPaymentId } = held;
  // Half of it, so that a second one would show.
  const money = { ...request.amount, amountMinor: request.amount.amountMinor / 2 };
  const call = { ...followUp(held, 'capture'), amount: money };
  return {
    answer: 'succeeded',
    async make({ timeoutMs = CALL_TIMEOUT_MS, signal = OPEN, client = stage.client() } = {}) {
      return orMissing(await client.capture?.({ ...call, timeoutMs }, signal));
    },
    async expectDone() {
      await expectBook(stage, request, [{ ...HELD, takenMinor: money.amountMinor }]);
      const found = await lookUp(stage, request, providerPaymentId);
      expect(found).toMatchObject({ kind: 'succeeded', money });
    },
    expectUndone: () => expectHeld(stage, held),
  };
}

async function prepareCancel(stage: Stage): Promise<Send> {
  const held = await authorize(stage);
  const { request, providerPaymentId } = held;
  return {
    answer: 'canceled',
    async make({ timeoutMs = CALL_TIMEOUT_MS, signal = OPEN, client = stage.client() } = {}) {
      return orMissing(await client.cancel?.({ ...followUp(held, 'cancel'), timeoutMs }, signal));
    },
    async expectDone() {
      await expectBook(stage, request, [{ ...HELD, isCanceled: true }]);
      expect(await lookUp(stage, request, providerPaymentId)).toMatchObject({ kind: 'canceled' });
    },
    expectUndone: () => expectHeld(stage, held),
  };
}

async function prepareRefund(stage: Stage): Promise<Send> {
  const { refund, looks_up_refunds } = stage.description.provider.capabilities;
  const paid = await chargeToEnd(stage, stage.description.pays);
  const takenMinor = paid.request.amount.amountMinor;
  // Half of it, so that a second one would show.
  const call = await makeRefund(stage, paid, takenMinor / 2);
  const { amountMinor } = call.amount;
  const lookUpRefund = async () => {
    const question = { ...call, providerRefundId: null };
    return orMissing(await stage.client().lookupRefund?.(question, OPEN));
  };
  return {
    answer: refund === 'sync' ? 'succeeded' : 'pending',
    make: ({ timeoutMs = CALL_TIMEOUT_MS, signal, client = stage.client() } = {}) =>
      refundOf(client, { ...call, timeoutMs }, makeContext(signal && { signal })),
    async expectDone() {
      if (refund === 'async') await takeRefundEvent(stage, call);
      await expectBook(stage, paid.request, [{ takenMinor, refundedMinor: amountMinor }]);
      if (looks_up_refunds !== 'sync') return;
      expect(await lookUpRefund()).toMatchObject({ kind: 'succeeded', amountMinor });
    },
    async expectUndone() {
      await expectBook(stage, paid.request, [{ takenMinor, refundedMinor: 0 }]);
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
