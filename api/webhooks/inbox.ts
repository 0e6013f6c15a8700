import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '../../db/ids.ts';
import { findPaymentByWorkflow, paymentInput } from '../../db/payments.ts';
import type { WebhookEvent } from '../../db/rows.ts';
import {
  insertWebhookEvent,
  markDelivered,
  markWebhookEvent,
  sealBody,
} from '../../db/webhook-events.ts';
import { paymentWorkflowId } from '../../domain/id.ts';
import type { Provider } from '../../domain/provider.ts';
import type { SealedWebhookEvent } from '../../domain/webhook-event.ts';
import { PROVIDER_NAMES, PROVIDERS } from '../../providers/index.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';

export type Callback = {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  readonly remoteAddress: string | null;
};
export type Taken = {
  readonly event_id: string;
  readonly fate: 'delivered' | 'duplicate' | 'parked' | 'waits_for_temporal' | 'kept_by_temporal';
};

const STORE_TRIES = 3;
const STORE_PAUSE_MS = 300;

export function findByChannel(channel: string): Provider | null {
  const name = PROVIDER_NAMES.find((it) => PROVIDERS[it].webhook.channel === channel);
  return name === undefined ? null : PROVIDERS[name];
}

/**
 * Takes a genuine callback: stored first, then signalled. With the database away Temporal keeps it,
 * with Temporal away the database does; only without both it is refused.
 */
export async function takeCallback(
  deps: ApiDeps,
  provider: Provider,
  workflowHash: string,
  callback: Callback,
): Promise<Taken> {
  const sealed = seal(deps, provider, workflowHash, callback);
  const stored = await store(deps, sealed);
  if (stored === null) return await handToTemporal(deps, sealed);
  const { inserted, event } = stored;
  if (!inserted) return { event_id: event.id, fate: 'duplicate' };
  if (event.event === null || event.payment_id === null) return await park(deps, event);
  return { event_id: event.id, fate: await signal(deps, event) };
}

function seal(
  { vault }: ApiDeps,
  provider: Provider,
  workflowHash: string,
  { body, headers, remoteAddress }: Callback,
): SealedWebhookEvent {
  const id = newId('event');
  const read = provider.webhook.translate(body);
  const isEvent = read.kind === 'event';
  const digest = createHash('sha256').update(body).digest('hex').slice(0, 32);
  return {
    id,
    provider: provider.name,
    eventKey: `${workflowHash}:${isEvent ? read.eventKey : `malformed-${digest}`}`,
    status: isEvent ? 'received' : 'parked',
    workflowId: paymentWorkflowId(workflowHash),
    event: isEvent ? read.event : null,
    bodyCipher: sealBody(vault, id, body),
    headers,
    verifiedBy: provider.capabilities.callback_auth,
    remoteAddress,
    error: isEvent ? null : read.reason,
  };
}

/** Null when the database is away. */
async function store({ callbackPool, log }: ApiDeps, sealed: SealedWebhookEvent) {
  for (let tried = 1; tried <= STORE_TRIES; tried += 1) {
    try {
      return await insertWebhookEvent(callbackPool, sealed);
    } catch (error) {
      log.warn({ err: error, event_id: sealed.id, tried }, 'a callback could not be stored');
      await sleep(STORE_PAUSE_MS * tried);
    }
  }
  return null;
}

async function handToTemporal(
  { engine, log }: ApiDeps,
  sealed: SealedWebhookEvent,
): Promise<Taken> {
  const { id, event, workflowId } = sealed;
  try {
    if (event === null || workflowId === null) throw new Error('there is nothing to signal');
    const delivered = { eventId: id, event, unstored: sealed };
    const isTaken = await engine.deliver(workflowId, delivered, () => Promise.resolve(null));
    if (!isTaken) throw new Error('its workflow has closed');
    return { event_id: id, fate: 'kept_by_temporal' };
  } catch (error) {
    log.error({ err: error, event_id: id }, 'a callback could be kept nowhere');
    throw new ApiError('temporarily_unavailable', 'the callback could not be kept; send it again');
  }
}

async function park({ callbackPool }: ApiDeps, event: WebhookEvent): Promise<Taken> {
  if (event.status !== 'parked') {
    const note = 'there is no payment for it';
    await markWebhookEvent(callbackPool, { eventId: event.id, status: 'parked', note }, null);
  }
  return { event_id: event.id, fate: 'parked' };
}

/** The row stays `received` until the workflow applied it; the sweeper sees to what got stuck. */
async function signal(
  deps: ApiDeps,
  { id, event, workflow_id }: WebhookEvent,
): Promise<Taken['fate']> {
  const { callbackPool, engine, log } = deps;
  try {
    if (event === null || workflow_id === null) return 'parked';
    const delivered = { eventId: id, event, unstored: null };
    await engine.deliver(workflow_id, delivered, async () => {
      const payment = await findPaymentByWorkflow(callbackPool, workflow_id);
      return payment === null ? null : paymentInput(payment);
    });
    await markDelivered(callbackPool, id);
    return 'delivered';
  } catch (error) {
    log.warn({ err: error, event_id: id }, 'a callback waits for Temporal');
    return 'waits_for_temporal';
  }
}
