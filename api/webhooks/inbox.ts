import { recordAccountEvent } from '../../db/account-events.ts';
import { findLatePayment, findLateRefund, isForWorkflow } from '../../db/late-events.ts';
import type { WebhookEvent } from '../../db/rows.ts';
import { awaitDelivery, markDelivered, markWebhookEvent } from '../../db/webhook-events.ts';
import { reopenedByCallback, reopenedRefundInput } from '../../domain/inputs.ts';
import {
  isAccountEvent,
  isRefundEvent,
  isUnreadable,
  type SealedWebhookEvent,
  type StoredEvent,
} from '../../domain/webhook-event.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import type { Delivery } from '../../temporal/deliver-callback.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import type { Callback, Channel } from './channel.ts';
import type { Proof } from './proof.ts';
import { seal } from './sealing.ts';
import { storeCallback } from './storing.ts';

export type Taken = {
  readonly event_id: string;
  /** Null where it is about nothing of ours, or nobody could tell. */
  readonly payment_id: string | null;
  readonly workflow_id: string | null;
  readonly fate: Delivery | 'duplicate' | 'parked' | 'waits_for_temporal' | 'kept_by_temporal';
};

/**
 * Takes a genuine callback: stored first, then signalled. With Temporal away the database keeps it.
 * Whatever keeps the database from storing it, Temporal holds it; only when both refuse, the
 * provider has to send it again.
 */
export async function takeCallback(
  deps: ApiDeps,
  channel: Channel,
  proof: Proof,
  callback: Callback,
): Promise<Taken> {
  const { sealed, otherVersion, payerPhone } = seal(deps, channel, proof, callback);
  tellOtherVersion(deps, sealed, otherVersion);
  const stored = await storeCallback(deps, sealed, payerPhone);
  if (stored === null) return await handToTemporal(deps, sealed);
  const { inserted, event, repeats } = stored;
  const { id: event_id, payment_id, workflow_id } = event;
  const taken = { event_id, payment_id, workflow_id };
  if (!inserted) {
    if (event.status === 'parked' && repeats < ASKS_MAX) await askAgain(deps, event, repeats);
    return { ...taken, fate: 'duplicate' };
  }
  if (event.status !== 'received') {
    if (event.event !== null) await passUnreadable(deps, event);
    return { ...taken, fate: 'parked' };
  }
  return { ...taken, fate: await pass(deps, event) };
}

/** It is told once: the merchant or we have to set the endpoint's version, and nothing is lost. */
function tellOtherVersion(
  { metrics, log }: ApiDeps,
  { provider, account }: SealedWebhookEvent,
  version: string | undefined,
): void {
  if (version === undefined || account === null) return;
  const other = metrics.otherVersions.count({ provider, account, version });
  if (other === null) return;
  log.warn(
    other,
    'events of this account are in another version of the provider’s API than the one we read: set the version of its webhook endpoint',
  );
}

/** What nobody can read may be another word of the provider’s than the first such: it is asked. */
async function askAgain(deps: ApiDeps, stored: WebhookEvent, nth: number): Promise<void> {
  if (!isUnreadable(stored.event)) return;
  try {
    await passToWhom(deps, stored, `${stored.id}.again-${nth}`);
  } catch (error) {
    deps.log.warn({ err: error, event_id: stored.id }, 'a repeated callback was not passed on');
  }
}

/** So many callbacks that nobody can read make their payment ask the provider. */
const ASKS_MAX = 3;

/**
 * The payment's workflow takes it, with its bytes. A workflow of its own holds what no running
 * workflow can take, such as a late one, and what a signature proved: only the database can tell
 * whether that account may speak of the payment. It is judged when it is stored.
 */
async function handToTemporal(deps: ApiDeps, sealed: SealedWebhookEvent): Promise<Taken> {
  const { id, event, workflowId, account } = sealed;
  try {
    const isSignalled =
      account === null &&
      event !== null &&
      workflowId !== null &&
      (await deliver(deps, { id, event, workflowId, unstored: sealed }, UNKNOWN)) === 'delivered';
    if (!isSignalled) await deps.engine.storeCallback(sealed);
    return { event_id: id, payment_id: null, workflow_id: workflowId, fate: 'kept_by_temporal' };
  } catch (error) {
    deps.log.error({ err: error, event_id: id }, 'a callback could be kept nowhere');
    throw new ApiError('temporarily_unavailable', 'the callback could not be kept; send it again');
  }
}

const unknown = () => Promise.resolve('unknown' as const);
const UNKNOWN = { payment: unknown, refund: unknown };

type Addressed = {
  readonly id: string;
  readonly event: StoredEvent;
  readonly workflowId: string;
  readonly unstored: SealedWebhookEvent | null;
};
type Late = {
  readonly payment: Parameters<ApiDeps['engine']['deliver']>[2];
  readonly refund: Parameters<ApiDeps['engine']['deliverRefund']>[2];
};

function deliver({ engine }: ApiDeps, found: Addressed, late: Late): Promise<Delivery> {
  const { id, event, workflowId, unstored } = found;
  if (isAccountEvent(event)) return Promise.resolve('unknown');
  if (isRefundEvent(event)) {
    return engine.deliverRefund(workflowId, { eventId: id, event, unstored }, late.refund);
  }
  return engine.deliver(workflowId, { eventId: id, event, unstored }, late.payment);
}

/** The row stays `received` until it was applied; the sweeper sees to what got stuck. */
async function pass(deps: ApiDeps, stored: WebhookEvent): Promise<Taken['fate']> {
  const { callbackPool, log } = deps;
  const { id, event, provider, payment_id, workflow_id } = stored;
  try {
    const delivery = await passToWhom(deps, stored);
    if (delivery === 'delivered') await markDelivered(callbackPool, id);
    if (delivery === 'unknown') {
      const note = 'there is no payment for it';
      await markWebhookEvent(callbackPool, { eventId: id, status: 'parked', note }, null);
      return 'parked';
    }
    if (delivery === 'nothing_new' && (event === null || !isAccountEvent(event))) {
      const note = 'nothing new';
      await markWebhookEvent(callbackPool, { eventId: id, status: 'applied', note }, null);
    }
    return delivery;
  } catch (error) {
    const about = { event_id: id, provider, payment_id, workflow_id };
    log.warn({ err: error, ...about }, 'a callback waits for Temporal');
    return 'waits_for_temporal';
  }
}

/**
 * It stays parked, where operators see it. While Temporal is unavailable it is put among those that
 * the sweeper delivers.
 */
async function passUnreadable(deps: ApiDeps, stored: WebhookEvent): Promise<void> {
  const fate = await pass(deps, stored);
  if (fate === 'waits_for_temporal') await awaitDelivery(deps.callbackPool, stored.id);
}

async function passToWhom(
  deps: ApiDeps,
  stored: WebhookEvent,
  deliveryId = stored.id,
): Promise<Delivery | 'parked'> {
  const { callbackPool } = deps;
  const { id, event, workflow_id: workflowId, provider, account } = stored;
  if (event === null) return 'unknown';
  if (isAccountEvent(event)) {
    const told = await recordAccountEvent(callbackPool, { eventId: id, provider, account, event });
    return told === 'recorded' ? 'nothing_new' : told;
  }
  if (workflowId === null || !(await isForWorkflow(callbackPool, stored))) return 'unknown';
  const capabilities = capabilitiesOf(provider);
  return await deliver(
    deps,
    { id: deliveryId, event, workflowId, unstored: null },
    {
      payment: async () => {
        if (isRefundEvent(event)) return 'unknown';
        const payment = await findLatePayment(callbackPool, workflowId, event);
        if (typeof payment === 'string') return payment;
        return reopenedByCallback(payment, capabilitiesOf, Date.now());
      },
      refund: async () => {
        if (!isRefundEvent(event)) return 'unknown';
        const found = await findLateRefund(callbackPool, workflowId, event);
        if (typeof found === 'string') return found;
        const { refund, payment } = found;
        return reopenedRefundInput(refund, payment, capabilities, { isSent: true });
      },
    },
  );
}
