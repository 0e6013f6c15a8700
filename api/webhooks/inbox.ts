import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDatabaseAway } from '../../db/away.ts';
import { recordDispute } from '../../db/disputes.ts';
import { newId } from '../../db/ids.ts';
import { findLatePayment, findLateRefund } from '../../db/late-news.ts';
import type { WebhookEvent } from '../../db/rows.ts';
import {
  insertWebhookEvent,
  markDelivered,
  markWebhookEvent,
  sealBody,
} from '../../db/webhook-events.ts';
import { lateRefundInput, paymentInput } from '../../domain/inputs.ts';
import {
  isDisputeEvent,
  isRefundEvent,
  type ProviderWebhook,
  type SealedWebhookEvent,
  type StoredEvent,
  type Translation,
} from '../../domain/webhook-event.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import type { Delivery } from '../../workflows/delivery.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import type { Channel, Proof } from './proof.ts';

export type Callback = {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  readonly remoteAddress: string | null;
};
export type Taken = {
  readonly event_id: string;
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
  if (!inserted) return { event_id: event.id, fate: 'duplicate' };
  if (event.status !== 'received') return { event_id: event.id, fate: 'parked' };
  return { event_id: event.id, fate: await pass(deps, event) };
}

function seal(
  { vault }: ApiDeps,
  { provider, webhook }: Channel,
  { workflowId: addressed, account }: Proof,
  { body, headers, remoteAddress }: Callback,
): SealedWebhookEvent {
  const id = newId('event');
  const read = translate(webhook, body);
  const digest = createHash('sha256').update(body).digest('hex').slice(0, 32);
  const key = read.kind === 'malformed' ? `malformed-${digest}` : read.eventKey;
  const named = 'workflowId' in read ? (read.workflowId ?? null) : null;
  return {
    id,
    provider: provider.name,
    account,
    eventKey: addressed === null ? `${account}:${key}` : `${hashIn(addressed)}:${key}`,
    status: STATUSES[read.kind],
    workflowId: addressed ?? named,
    event: eventOf(read),
    bodyCipher: sealBody(vault, id, body),
    headers,
    verifiedBy: webhook.verify === undefined ? 'token' : 'signature',
    remoteAddress,
    error: 'reason' in read ? read.reason : null,
  };
}

/** PostgreSQL keeps no NUL and no half of a character; the sealed body keeps every byte. */
function translate(webhook: ProviderWebhook, body: Buffer): Translation {
  const read = webhook.translate(body);
  if (isStorable(read)) return read;
  return { kind: 'malformed', reason: 'it holds NUL or half of a character' };
}

function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, part]) => isStorable(key) && isStorable(part));
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
async function store({ callbackPool, log }: ApiDeps, sealed: SealedWebhookEvent) {
  for (let tried = 1; tried <= STORE_TRIES; tried += 1) {
    try {
      return await insertWebhookEvent(callbackPool, sealed);
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
    return { event_id: id, fate: 'kept_by_temporal' };
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
  const { id, event, provider } = stored;
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
    log.warn({ err: error, event_id: id, provider }, 'a callback waits for Temporal');
    return 'waits_for_temporal';
  }
}

async function passToWhom(deps: ApiDeps, stored: WebhookEvent): Promise<Delivery> {
  const { callbackPool } = deps;
  const { id, event, workflow_id: workflowId, payment_id, provider, account } = stored;
  if (event === null) return 'unknown';
  if (isDisputeEvent(event)) {
    const found = { eventId: id, provider, account, dispute: event };
    return (await recordDispute(callbackPool, found)) === 'unknown' ? 'unknown' : 'nothing_new';
  }
  if (workflowId === null || payment_id === null) return 'unknown';
  const capabilities = capabilitiesOf(provider);
  return await deliver(
    deps,
    { id, event, workflowId, unstored: null },
    {
      payment: async () => {
        if (isRefundEvent(event)) return 'unknown';
        const payment = await findLatePayment(callbackPool, workflowId, event);
        return typeof payment === 'string' ? payment : paymentInput(payment, capabilitiesOf);
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
