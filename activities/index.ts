import type { DeliveryLimits } from '../domain/outgoing-event.ts';
import { createCaptureAndCancel } from './capture-cancel.ts';
import { createCharge } from './charge.ts';
import { createDeliver } from './deliver.ts';
import type { ActivityDeps } from './deps.ts';
import { createLateSuccess } from './late-success.ts';
import { createLookup } from './lookup.ts';
import { createRecord } from './record.ts';
import { createRefund } from './refund.ts';
import { createSweep } from './sweep.ts';

export type { CaptureInput } from './capture-cancel.ts';
export type { ChargeInput } from './charge.ts';
export type { ActivityDeps } from './deps.ts';
export type { LateSuccessInput } from './late-success.ts';
export type { LookupInput, ReceiptInput, RefundLookupInput } from './lookup.ts';
export type { RefundSendInput } from './refund.ts';

/** Calls to providers: on a task queue for each provider. */
export function createProviderActivities(deps: ActivityDeps) {
  return {
    ...createCharge(deps),
    ...createLookup(deps),
    ...createCaptureAndCancel(deps),
    ...createRefund(deps),
  };
}

/** What writes to our own database: on the workflows' task queue. */
export function createDatabaseActivities(deps: ActivityDeps) {
  return { ...createRecord(deps), ...createLateSuccess(deps), ...createSweep(deps) };
}

/** What leaves for merchants: on a queue of its own, so slow endpoints hold up nothing else. */
export function createDeliveryActivities(deps: ActivityDeps, limits: DeliveryLimits) {
  return createDeliver(deps, limits);
}

export type Activities = ReturnType<typeof createProviderActivities> &
  ReturnType<typeof createDatabaseActivities> &
  ReturnType<typeof createDeliveryActivities>;
