import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Credentials, ProviderWebhook, WebhookDelivery } from '../../domain/provider.ts';
import type { Translation } from '../../domain/webhook-event.ts';
import { malformed, notOurs } from '../shared/owner.ts';
import { parseJson } from '../shared/wire.ts';
import { asCPay } from './credentials.ts';
import { ownerOf, readCharge, readProviderRefund, readRefund } from './map.ts';
import { charge, event, refund } from './wire.ts';

const TOLERANCE_MS = 300_000;

/** CPay signs what it sends: HMAC-SHA256 over `<timestamp>.<raw body>`. */
export const webhook: ProviderWebhook = {
  channel: 'cpay',
  acknowledgement: { received: true },
  verify,
  translate,
};

function verify(
  { body, headers, nowMs }: WebhookDelivery,
  credentials: Credentials,
): string | null {
  const { webhook_secrets } = asCPay(credentials);
  const timestamp = headers['cpay-timestamp'] ?? '';
  const signatures = (headers['cpay-signature'] ?? '').split(',').map((part) => part.trim());
  if (!/^\d{1,12}$/.test(timestamp)) return 'CPay-Timestamp is missing or no count of seconds';
  if (Math.abs(nowMs - Number(timestamp) * 1000) > TOLERANCE_MS) {
    return 'CPay-Timestamp is more than five minutes off: check the clocks';
  }
  const matches = webhook_secrets.some((secret) => {
    const mac = createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest('hex');
    return signatures.some((signature) => isSame(signature, `v1=${mac}`));
  });
  return matches ? null : 'no CPay-Signature matches: check webhook_secrets';
}

function isSame(given: string, expected: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}

function translate(body: Uint8Array): Translation {
  const parsed = event.safeParse(parseJson(body));
  if (!parsed.success) return { kind: 'malformed', reason: 'not an event of CPay' };
  const { id: eventKey, type, data } = parsed.data;
  if (type === 'charge.updated') return chargeEvent(eventKey, data);
  if (type === 'refund.updated') return refundEvent(eventKey, data);
  return { kind: 'ignored', eventKey, reason: `nothing to do for ${type.slice(0, 60)}` };
}

function chargeEvent(eventKey: string, data: unknown): Translation {
  const parsed = charge.safeParse(data);
  const workflowId = ownerOf(data, 'payment');
  if (!parsed.success) return malformed('not a charge', workflowId);
  if (workflowId === null) return notOurs(eventKey);
  return { kind: 'event', eventKey, event: readCharge(parsed.data), workflowId };
}

function refundEvent(eventKey: string, data: unknown): Translation {
  const parsed = refund.safeParse(data);
  const workflowId = ownerOf(data, 'refund');
  if (!parsed.success) return malformed('not a refund', workflowId);
  if (workflowId === null) {
    const made = readProviderRefund(parsed.data);
    return made === null ? notOurs(eventKey) : { kind: 'provider_refund', eventKey, refund: made };
  }
  return { kind: 'refund_event', eventKey, event: readRefund(parsed.data), workflowId };
}
