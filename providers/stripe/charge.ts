import Stripe from 'stripe';
import { ProviderError } from '../../domain/error.ts';
import type { ChargeResult, LookupResult } from '../../domain/outcome.ts';
import type {
  CancelRequest,
  CaptureRequest,
  ChargeContext,
  ChargeRequest,
  LookupRequest,
} from '../../domain/provider.ts';
import { GIVEN_UP, readCharge, readDecline, readIntent } from './map.ts';
import { callStripe } from './sdk.ts';
import { paymentError, paymentIntent, paymentMethod as paymentMethodShape } from './wire.ts';

/** One call that creates and confirms; a decline is a result, not an error. */
export async function charge(
  sdk: Stripe,
  request: ChargeRequest,
  { dispatch, signal }: ChargeContext,
): Promise<ChargeResult> {
  const { paymentMethod, idempotencyKey, timeoutMs: timeout } = request;
  if (paymentMethod === null) {
    throw new ProviderError('misconfigured', 'Stripe takes a payment_method: pm_… or tok_…');
  }
  const payment_method = paymentMethod.startsWith('tok_')
    ? await makeMethod(sdk, paymentMethod, request, signal)
    : paymentMethod;
  if (typeof payment_method !== 'string') {
    await dispatch();
    return payment_method;
  }
  const params: Stripe.PaymentIntentCreateParams = {
    amount: request.amount.amountMinor,
    currency: request.amount.currency.toLowerCase(),
    payment_method,
    confirm: true,
    capture_method: request.captureMethod,
    // The same in each send of it, also after a restore: Stripe compares what comes under a key.
    metadata: {
      malipo_attempt: request.attemptRef,
      malipo_workflow: request.workflowId,
      reference: request.reference,
    },
    ...(request.description === '' ? {} : { description: request.description }),
    ...(request.returnUrl === null
      ? { automatic_payment_methods: { enabled: true, allow_redirects: 'never' } }
      : { automatic_payment_methods: { enabled: true }, return_url: request.returnUrl }),
  };
  await dispatch();
  const answered = await callStripe<ChargeResult>(
    signal,
    async () =>
      readCharge(
        paymentIntent.parse(await sdk.paymentIntents.create(params, { idempotencyKey, timeout })),
      ),
    (error) => declineOf(error),
  );
  const isStuck = answered.kind === 'pending' && answered.providerCode === 'requires_action';
  if (!isStuck || answered.providerPaymentId === null) return answered;
  return await giveUpAction(sdk, answered.providerPaymentId, idempotencyKey, timeout, signal);
}

/**
 * A token is no PaymentMethod yet; Stripe makes one of it by a call of its own. That moves no
 * money, so a lost answer is as good as unsent; under its key the token makes the same one again.
 * @returns the PaymentMethod's id, or a decline where Stripe refuses the card at once.
 */
async function makeMethod(
  sdk: Stripe,
  token: string,
  { idempotencyKey, timeoutMs: timeout }: ChargeRequest,
  signal: AbortSignal,
): Promise<string | LookupResult> {
  const options = { idempotencyKey: `${idempotencyKey}/method`, timeout };
  try {
    return await callStripe<string | LookupResult>(
      signal,
      async () => {
        const made = await sdk.paymentMethods.create({ type: 'card', card: { token } }, options);
        return paymentMethodShape.parse(made).id;
      },
      (error) => declineOf(error),
    );
  } catch (error) {
    if (!(error instanceof ProviderError) || error.kind !== 'ambiguous') throw error;
    const { message, providerCode, retryAfterMs } = error;
    throw new ProviderError('unsent', `the token made no PaymentMethod: ${message}`, {
      providerCode,
      retryAfterMs,
    });
  }
}

function declineOf(error: Stripe.errors.StripeError): LookupResult | null {
  if (!(error instanceof Stripe.errors.StripeCardError)) return null;
  const { code = null, decline_code, advice_code = null } = error;
  const parsed = paymentError.parse({ code, decline_code: decline_code || null, advice_code });
  return readDecline(parsed, error.payment_intent?.id ?? null);
}

/**
 * The payer would have to authenticate, and nobody can send them there: the merchant said that no
 * payer is present. It is canceled, so that it cannot succeed unseen; the payer was never asked.
 */
async function giveUpAction(
  sdk: Stripe,
  providerPaymentId: string,
  chargeKey: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<LookupResult> {
  const idempotencyKey = `${chargeKey}/cancel`;
  return await cancel(sdk, { providerPaymentId, idempotencyKey, timeoutMs }, signal, GIVEN_UP);
}

/** By Stripe's id, else by our reference in its metadata; the search lags by up to a minute. */
export async function lookup(
  sdk: Stripe,
  { providerPaymentId, attemptRef, timeoutMs: timeout }: LookupRequest,
  signal: AbortSignal,
): Promise<LookupResult> {
  return await callStripe<LookupResult>(signal, async () => {
    if (providerPaymentId !== null) {
      const intent = await sdk.paymentIntents.retrieve(providerPaymentId, {}, { timeout });
      return readIntent(paymentIntent.parse(intent));
    }
    const query = `metadata['malipo_attempt']:'${attemptRef}'`;
    const found = await sdk.paymentIntents.search({ query, limit: 1 }, { timeout });
    const [intent] = found.data;
    if (intent !== undefined) return readIntent(paymentIntent.parse(intent));
    const message = 'Stripe’s search knows no PaymentIntent of this attempt yet';
    return { kind: 'unknown', providerPaymentId: null, providerCode: 'not_found', message };
  });
}

export async function capture(
  sdk: Stripe,
  { providerPaymentId, amount, idempotencyKey, timeoutMs: timeout }: CaptureRequest,
  signal: AbortSignal,
): Promise<LookupResult> {
  const params = { amount_to_capture: amount.amountMinor };
  return await callStripe<LookupResult>(
    signal,
    async () => {
      const options = { idempotencyKey, timeout };
      const intent = await sdk.paymentIntents.capture(providerPaymentId, params, options);
      return readIntent(paymentIntent.parse(intent));
    },
    (error) => readAsItIs(sdk, error, providerPaymentId, timeout),
  );
}

export async function cancel(
  sdk: Stripe,
  { providerPaymentId, idempotencyKey, timeoutMs: timeout }: CancelRequest,
  signal: AbortSignal,
  cancellation_reason: 'requested_by_customer' | typeof GIVEN_UP = 'requested_by_customer',
): Promise<LookupResult> {
  return await callStripe<LookupResult>(
    signal,
    async () => {
      const params = { cancellation_reason };
      const options = { idempotencyKey, timeout };
      const intent = await sdk.paymentIntents.cancel(providerPaymentId, params, options);
      return readIntent(paymentIntent.parse(intent));
    },
    (error) => readAsItIs(sdk, error, providerPaymentId, timeout),
  );
}

/** It is not in a state for this: what state it is in is the answer. */
async function readAsItIs(
  sdk: Stripe,
  error: Stripe.errors.StripeError,
  providerPaymentId: string,
  timeout: number,
): Promise<LookupResult | null> {
  if (error.code !== 'payment_intent_unexpected_state') return null;
  const intent = await sdk.paymentIntents.retrieve(providerPaymentId, {}, { timeout });
  return readIntent(paymentIntent.parse(intent));
}
