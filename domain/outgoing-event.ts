import { formatMoney, isCurrency } from './money.ts';
import type { PaymentStatus } from './payment-states.ts';
import type { RefundStatus } from './refund-states.ts';

/**
 * What merchants are told, by webhooks and live. The database's triggers write these as payments,
 * refunds and endpoints change; `…updated` is for the live feed only.
 */
export const EVENT_TYPES = {
  // table
  'payment.created': 'A payment was stored',
  'payment.processing': 'It is on its way to the provider',
  'payment.requires_action': 'The payer has to act: see next_action',
  'payment.authorized': 'The money is held, and waits for its capture',
  'payment.succeeded': 'The money was taken',
  'payment.failed': 'It failed, and no money was taken',
  'payment.canceled': 'It was canceled, and no money was taken',
  'payment.needs_review': 'Nobody can say yet; a person decides',
  'payment.disputed': 'The payer’s bank asks for the money back, or has decided about it',
  'payment.unmatched_receipt': 'Money came beside it: the payer may have paid twice',
  'payment.updated': 'What it waits for, or what is known of it, changed',
  'refund.created': 'A refund was stored, its money reserved',
  'refund.pending': 'It is on its way again',
  'refund.succeeded': 'The money was given back',
  'refund.failed': 'It failed, and the money stayed',
  'refund.needs_review': 'Nobody can say yet; a person decides',
  'refund.updated': 'What it waits for, or what is known of it, changed',
  'endpoint.test': 'You asked for it, to try your endpoint',
  'endpoint.disabled': 'Another endpoint of yours was switched off: see disabled_reason',
} as const satisfies Record<
  | `endpoint.${'test' | 'disabled'}`
  | `payment.${PaymentStatus | 'disputed' | 'unmatched_receipt' | 'updated'}`
  | `refund.${RefundStatus | 'created' | 'updated'}`,
  string
>;
export type EventType = keyof typeof EVENT_TYPES;

export function isEventType(text: string): text is EventType {
  return Object.hasOwn(EVENT_TYPES, text);
}

/** What an endpoint may ask for. */
export const WEBHOOK_EVENT_TYPES: readonly EventType[] = Object.keys(EVENT_TYPES)
  .filter(isEventType)
  .filter((type) => !type.endsWith('.updated'));

/**
 * What an event tells, with its money as a person reads it as well. The triggers write the figures
 * alone, so that the table of currencies stands in one place.
 */
export function withAmountText(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { amount: amountMinor, currency } = data;
  if (typeof amountMinor !== 'number' || typeof currency !== 'string' || !isCurrency(currency)) {
    return data;
  }
  return { ...data, amount_text: formatMoney({ amountMinor, currency }) };
}

const FREE_PORT_MIN = 1024;

/**
 * Where an endpoint may listen: below 1024 are other services, which a merchant must not make us
 * knock at. @param port as `URL` tells it: empty for the scheme's own.
 */
export function isWebhookPort(port: string): boolean {
  return port === '' || port === '443' || Number(port) >= FREE_PORT_MIN;
}

/** What a delivery's workflow is started with. */
export type DeliveryInput = {
  readonly deliveryId: string;
  readonly policy: DeliveryPolicy;
};
export type DeliveryPolicy = {
  readonly timeout_ms: number;
  /** Pause before the second try, the third …; after the last one the delivery has failed. */
  readonly schedule_ms: readonly number[];
  /** An endpoint that fails for this long without one success is switched off. */
  readonly disable_after_ms: number;
};

/** What one merchant may have of all that sends webhooks (config/policies.yaml). */
export type DeliveryLimits = {
  readonly endpoints_max: number;
  readonly first_tries_max: number;
  readonly first_tries_per_endpoint_max: number;
  readonly posts_max: number;
  readonly posts_per_endpoint_max: number;
};
