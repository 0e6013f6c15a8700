import { setTimeout as sleep } from 'node:timers/promises';
import { isDatabaseAway } from '../../db/away.ts';
import { recordDispute } from '../../db/disputes.ts';
import { newId } from '../../db/ids.ts';
import { findLatePayment, findLateRefund, isRowMissing } from '../../db/late-news.ts';
import type { WebhookEvent } from '../../db/rows.ts';
import {
  insertWebhookEvent,
  markDelivered,
  markWebhookEvent,
  sealBody,
} from '../../db/webhook-events.ts';
import { lateInput, lateRefundInput } from '../../domain/inputs.ts';
import {
  isDisputeEvent,
  isRefundEvent,
  type SealedWebhookEvent,
  type StoredEvent,
  type Translation,
} from '../../domain/webhook-event.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import type { Delivery } from '../../workflows/delivery.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import type { Callback, Channel } from './channel.ts';
import type { Proof } from './proof.ts';
import { asPaymentHolds, readCallback } from './reading.ts';

export type Taken = {
  readonly event_id: string;
  /** Null where it is about nothing of ours, or nobody could tell. */
  readonly payment_id: string | null;
  readonly workflow_id: string | null;
  readonly fate: Delivery | 'duplicate' | 'parked' | 'waits_for_temporal' | 'kept_by_temporal';
};

const STORE_TRIES = 3;
const STORE_PAUSE_MS = 300;

/**
 * Takes a genuine callback: stored first, then signalled. With Temporal away the database keeps it.
 * With the database away Temporal does, where a token proved it; a signed one is
 * refused, since nobody can tell whose it is: those providers send again.
 */
export async function takeCallback(
  deps: ApiDeps,
  channel: Channel,
  proof: Proof,
  callback: Callback,
): Promise<Taken> {
  const sealed = seal(deps, channel, proof, callback);
  const stored = await store(deps, sealed);
  if (stored === null) return await handToTemporal(deps, sealed);
  const { inserted, event } = stored;
  const { id: event_id, payment_id, workflow_id } = event;
  const taken = { event_id, payment_id, workflow_id };
  if (!inserted) return { ...taken, fate: 'duplicate' };
  if (event.status !== 'received') return { ...taken, fate: 'parked' };
  return { ...taken, fate: await pass(deps, event) };
}

function seal(
  { vault }: ApiDeps,
  channel: Channel,
  { workflowId: addressed, account }: Proof,
  { body, headers, remoteAddress }: Callback,
): SealedWebhookEvent {
  const id = newId('event');
  const { read, key } = readCallback(vault, channel, body);
  const named = 'workflowId' in read ? (read.workflowId ?? null) : null;
  return {
    id,
    provider: channel.provider.name,
    account,
    eventKey: addressed === null ? `${account}:${key}` : `${hashIn(addressed)}:${key}`,
    status: STATUSES[read.kind],
    workflowId: addressed ?? named,
    event: eventOf(read),
    bodyCipher: sealBody(vault, id, body),
    headers,
    verifiedBy: channel.webhook.verify === undefined ? 'token' : 'signature',
    remoteAddress,
    error: 'reason' in read ? read.reason : null,
  };
}

function hashIn(workflowId: string): string {
  return workflowId.slice(workflowId.indexOf('-') + 1);
}

const STATUSES = {
  event: 'received',
  refund_event: 'received',
  dispute: 'received',
  ignored: 'applied',
  malformed: 'parked',
} as const satisfies Record<Translation['kind'], SealedWebhookEvent['status']>;

function eventOf(read: Translation): StoredEvent | null {
  if (read.kind === 'event' || read.kind === 'refund_event') return read.event;
  return read.kind === 'dispute' ? { kind: 'dispute', ...read.dispute } : null;
}

/** Null when the database is away. @throws Error for anything that trying again cannot mend. */
async function store({ callbackPool, vault, log }: ApiDeps, sealed: SealedWebhookEvent) {
  for (let tried = 1; tried <= STORE_TRIES; tried += 1) {
    try {
      const told = await asPaymentHolds(callbackPool, vault, sealed);
      return await insertWebhookEvent(callbackPool, told);
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      log.warn({ err: error, event_id: sealed.id, tried }, 'a callback could not be stored');
      await sleep(STORE_PAUSE_MS * tried);
    }
  }
  return null;
}

/**
 * The payment's workflow takes it, with its bytes. What no running workflow can take, such as a
 * late one, a workflow of its own holds: without the database nobody can say whose it is.
 */
async function handToTemporal(deps: ApiDeps, sealed: SealedWebhookEvent): Promise<Taken> {
  const { id, event, workflowId, account } = sealed;
  try {
    if (account !== null) throw new Error('nobody can tell whose it is');
    const isSignalled =
      event !== null &&
      workflowId !== null &&
      (await deliver(deps, { id, event, workflowId, unstored: sealed }, UNKNOWN)) === 'delivered';
    if (!isSignalled) await deps.engine.keepCallback(sealed);
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
  if (isDisputeEvent(event)) return Promise.resolve('unknown');
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
    if (delivery === 'nothing_new' && event?.kind !== 'dispute') {
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

/** A token proves the workflow, so its run hears of it though the row is gone (ADR 0016). */
async function isOfRun({ callbackPool }: ApiDeps, stored: WebhookEvent): Promise<boolean> {
  const { account, workflow_id } = stored;
  return (
    account === null && workflow_id !== null && (await isRowMissing(callbackPool, workflow_id))
  );
}

async function passToWhom(deps: ApiDeps, stored: WebhookEvent): Promise<Delivery> {
  const { callbackPool } = deps;
  const { id, event, workflow_id: workflowId, payment_id, provider, account } = stored;
  if (event === null) return 'unknown';
  if (isDisputeEvent(event)) {
    const found = { eventId: id, provider, account, dispute: event };
    return (await recordDispute(callbackPool, found)) === 'unknown' ? 'unknown' : 'nothing_new';
  }
  if (workflowId === null) return 'unknown';
  if (payment_id === null && !(await isOfRun(deps, stored))) return 'unknown';
  const capabilities = capabilitiesOf(provider);
  return await deliver(
    deps,
    { id, event, workflowId, unstored: null },
    {
      payment: async () => {
        if (isRefundEvent(event)) return 'unknown';
        const payment = await findLatePayment(callbackPool, workflowId, event);
        return typeof payment === 'string' ? payment : lateInput(payment, capabilitiesOf);
      },
      refund: async () => {
        if (!isRefundEvent(event)) return 'unknown';
        const found = await findLateRefund(callbackPool, workflowId, event);
        if (typeof found === 'string') return found;
        return lateRefundInput(found.refund, found.payment, capabilities);
      },
    },
  );
}
