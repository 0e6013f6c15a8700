import { createHmac } from 'node:crypto';
import { hashOfPaymentWorkflowId } from '../../domain/id.ts';
import type { Payment } from '../../domain/payment.ts';
import type { Sending, TestApi } from './server.ts';

/** The payer's phone, as Daraja names it. */
export const PHONE = 254700000101;

/** Daraja's word that a payer paid; KES 100 by default. */
export function makeStkCallback(
  changes: {
    readonly checkoutId?: string;
    readonly receipt?: string;
    readonly shillings?: number;
    readonly phone?: number | string;
  } = {},
) {
  const { checkoutId = 'ws_CO_1', receipt = 'UJ7A1B2C3D', shillings = 100 } = changes;
  const { phone = PHONE } = changes;
  return {
    Body: {
      stkCallback: {
        MerchantRequestID: '5c1a-4f0e',
        CheckoutRequestID: checkoutId,
        ResultCode: 0,
        ResultDesc: 'The service request is processed successfully.',
        CallbackMetadata: {
          Item: [
            { Name: 'Amount', Value: shillings },
            { Name: 'MpesaReceiptNumber', Value: receipt },
            { Name: 'PhoneNumber', Value: phone },
          ],
        },
      },
    },
  };
}

/** Where Daraja was told to call back for this payment. */
export function stkPath({ tokens }: Pick<TestApi, 'tokens'>, { workflowId }: Payment): string {
  const hash = hashOfPaymentWorkflowId(workflowId);
  if (hash === null) throw new Error(`${workflowId} is no payment's workflow id`);
  return `/api/v1/webhooks/stk/${tokens.issue('payment', hash, 1)}`;
}

/** An event of CPay about a charge of KES 100. */
export function makeCPayEvent(id: string, workflow: string) {
  const data = {
    id: 'ch_1',
    object: 'charge',
    status: 'succeeded',
    amount: 10_000,
    amount_captured: 10_000,
    currency: 'KES',
    decline_code: null,
    receipt: 'CP-1',
    metadata: { workflow },
  };
  return { id, type: 'charge.updated', data };
}

/** An event of Stripe about a PaymentIntent of KES 100. */
export function makeStripeEvent(id: string, workflow: string) {
  return {
    id,
    object: 'event',
    type: 'payment_intent.succeeded',
    data: {
      object: {
        id: 'pi_1',
        object: 'payment_intent',
        status: 'succeeded',
        amount: 10_000,
        amount_received: 10_000,
        currency: 'kes',
        latest_charge: 'ch_1',
        metadata: { malipo_workflow: workflow },
      },
    },
  };
}

/** Stripe's word that a payer's bank wants the money of a PaymentIntent back. */
export function makeDisputeEvent(id: string, paymentIntent: string, status = 'needs_response') {
  const open = status === 'needs_response';
  return {
    id,
    object: 'event',
    type: open ? 'charge.dispute.created' : 'charge.dispute.closed',
    data: {
      object: {
        id: 'dp_1',
        object: 'dispute',
        amount: 10_000,
        currency: 'usd',
        status,
        reason: 'fraudulent',
        payment_intent: paymentIntent,
      },
    },
  };
}

/** Signed as the provider signs it: the HMAC is over time and body. */
export function sign(
  provider: 'cpay' | 'stripe',
  event: object,
  secret: string,
  ageS = 0,
): Sending {
  const timestamp = Math.floor(Date.now() / 1000) - ageS;
  const body = JSON.stringify(event);
  const mac = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
  const headers: Record<string, string> =
    provider === 'cpay'
      ? { 'cpay-timestamp': String(timestamp), 'cpay-signature': `v1=${mac}` }
      : { 'stripe-signature': `t=${timestamp},v1=${mac}` };
  return { body, headers };
}

type StoredEvent = {
  readonly id: string;
  readonly status: string;
  readonly error: string | null;
  readonly payment_id: string | null;
  readonly workflow_id: string | null;
  readonly duplicate_count: number;
  readonly delivery_count: number;
  readonly body_cipher: Buffer;
  /** The whole row as text. */
  readonly row: string;
};

/** What was kept of callbacks, oldest first. */
export function listStored({ database }: Pick<TestApi, 'database'>): Promise<StoredEvent[]> {
  return database.queryAsOwner<StoredEvent>(
    'SELECT e.*, e::text AS row FROM webhook_events e ORDER BY id',
  );
}
