import { createHmac, timingSafeEqual } from 'node:crypto';
import type { z } from 'zod';
import type { Credentials, ProviderWebhook, WebhookDelivery } from '../../domain/provider.ts';
import type { Translation } from '../../domain/webhook-event.ts';
import { malformed, notOurs } from '../shared/owner.ts';
import { parseJson } from '../shared/wire.ts';
import { asStripe } from './credentials.ts';
import { ownerOf, readDisputeStatus, readIntent, readProviderRefund, readRefund } from './map.ts';
import { API_VERSION } from './sdk.ts';
import { dispute, event, paymentIntent, refund, refundedCharge, thinEvent } from './wire.ts';

const TOLERANCE_MS = 300_000;

/** Stripe signs each delivery (docs.stripe.com/webhooks/signatures); one address for all events. */
export const webhook: ProviderWebhook = {
  channel: 'stripe',
  acknowledgement: { received: true },
  verify,
  translate,
};

function verify(
  { body, headers, nowMs }: WebhookDelivery,
  credentials: Credentials,
): string | null {
  const { webhook_secrets } = asStripe(credentials);
  const parts = (headers['stripe-signature'] ?? '').split(',').map((part) => part.trim());
  const timestamp = parts.find((part) => part.startsWith('t='))?.slice(2) ?? '';
  const signatures = parts.filter((part) => part.startsWith('v1=')).map((part) => part.slice(3));
  if (!/^\d{1,12}$/.test(timestamp)) return 'Stripe-Signature is missing or malformed';
  if (Math.abs(nowMs - Number(timestamp) * 1000) > TOLERANCE_MS) {
    return 'Stripe-Signature is more than five minutes off: a replay, or a wrong clock';
  }
  const matches = webhook_secrets.some((secret) => {
    const mac = createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest('hex');
    return signatures.some((signature) => isSame(signature, mac));
  });
  return matches ? null : 'no signature matches: check the endpoint’s secret in webhook_secrets';
}

function isSame(given: string, expected: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}

const INTENT_EVENTS = new Set([
  'payment_intent.succeeded',
  'payment_intent.payment_failed',
  'payment_intent.canceled',
  'payment_intent.processing',
  'payment_intent.requires_action',
  'payment_intent.amount_capturable_updated',
]);
const REFUND_EVENTS = new Set([
  'refund.created',
  'refund.updated',
  'refund.failed',
  // Its name before 2024, which endpoints may still ask for.
  'charge.refund.updated',
]);
/** An inquiry that becomes a dispute is told by one of the last three. */
const DISPUTE_EVENTS = new Set([
  'charge.dispute.created',
  'charge.dispute.closed',
  'charge.dispute.updated',
  'charge.dispute.funds_withdrawn',
  'charge.dispute.funds_reinstated',
]);

function translate(body: Uint8Array): Translation {
  const json = parseJson(body);
  const parsed = event.safeParse(json);
  if (!parsed.success) return translateThin(json);
  const { api_version } = parsed.data;
  const isOther = api_version !== null && api_version !== API_VERSION;
  const read = translateEvent(parsed.data);
  return isOther ? { ...read, otherVersion: api_version } : read;
}

/** Nothing of ours comes by thin events, and an endpoint that gets them has to take them. */
function translateThin(json: unknown): Translation {
  const parsed = thinEvent.safeParse(json);
  if (!parsed.success) return { kind: 'malformed', reason: 'not an event of Stripe' };
  const { id: eventKey, type } = parsed.data;
  return { kind: 'ignored', eventKey, reason: `a thin event, ${type.slice(0, 80)}` };
}

function translateEvent({ id: eventKey, type, data }: z.infer<typeof event>): Translation {
  if (INTENT_EVENTS.has(type)) return intentEvent(eventKey, data.object);
  if (REFUND_EVENTS.has(type)) return refundEvent(eventKey, data.object);
  if (type === 'charge.refunded') return refundedEvent(eventKey, data.object);
  if (DISPUTE_EVENTS.has(type)) return disputeEvent(eventKey, data.object);
  return { kind: 'ignored', eventKey, reason: `nothing to do for ${type.slice(0, 80)}` };
}

function intentEvent(eventKey: string, object: unknown): Translation {
  const parsed = paymentIntent.safeParse(object);
  const workflowId = ownerOf(object, 'payment');
  if (!parsed.success) return malformed('not a PaymentIntent', workflowId);
  if (workflowId === null) return notOurs(eventKey);
  return { kind: 'event', eventKey, event: readIntent(parsed.data), workflowId };
}

function refundEvent(eventKey: string, object: unknown): Translation {
  const parsed = refund.safeParse(object);
  const workflowId = ownerOf(object, 'refund');
  if (!parsed.success) return malformed('not a Refund', workflowId);
  if (workflowId === null) {
    const made = readProviderRefund(parsed.data);
    return made === null ? notOurs(eventKey) : { kind: 'provider_refund', eventKey, refund: made };
  }
  return { kind: 'refund_event', eventKey, event: readRefund(parsed.data), workflowId };
}

/**
 * The event carries the charge. Older versions list its refunds, newest first, and mean the newest;
 * ours lists none.
 */
function refundedEvent(eventKey: string, object: unknown): Translation {
  const parsed = refundedCharge.safeParse(object);
  const [newest] = parsed.data?.refunds?.data ?? [];
  if (newest === undefined) {
    return { kind: 'ignored', eventKey, reason: 'its refund.created and refund.updated tell more' };
  }
  return refundEvent(eventKey, { payment_intent: parsed.data?.payment_intent, ...newest });
}

function disputeEvent(eventKey: string, object: unknown): Translation {
  const parsed = dispute.safeParse(object);
  if (!parsed.success) return { kind: 'malformed', reason: 'not a Dispute' };
  const { id, amount, currency, status, reason, payment_intent } = parsed.data;
  if (payment_intent === null) return notOurs(eventKey);
  return {
    kind: 'dispute',
    eventKey,
    dispute: {
      providerDisputeId: id,
      providerPaymentId: payment_intent,
      ...readDisputeStatus(status),
      amountMinor: amount,
      currency: currency.toUpperCase(),
      reason,
    },
  };
}
