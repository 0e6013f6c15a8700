import Stripe from 'stripe';
import { type FailureCode, ProviderError } from '../../domain/error.ts';
import { causeOf, readRetryAfter } from '../../domain/network-error.ts';

const BUSY_MS = 1_000;
/** Below Stripe's least, which for some currencies moves with the rate, or above its most. */
const AMOUNT_CODES = ['amount_too_small', 'amount_too_large'];

/**
 * What an error of the SDK proves. Messages name Stripe's codes and parameters only: its texts may
 * repeat what was sent.
 */
export function toProviderError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  if (!(error instanceof Stripe.errors.StripeError)) {
    const name = error instanceof Error ? error.name : 'unknown';
    return new ProviderError('ambiguous', `Stripe’s answer was lost (${name})`);
  }
  const providerCode = error.code ?? error.rawType ?? error.type;
  const retryAfterMs = readRetryAfter(error.headers?.['retry-after'], Date.now());
  const said = (
    kind: ProviderError['kind'],
    message: string,
    failureCode: FailureCode | null = null,
  ) => new ProviderError(kind, message, { providerCode, retryAfterMs, failureCode });
  if (error instanceof Stripe.errors.StripeConnectionError) return connectionError(error);
  if (error instanceof Stripe.errors.StripeRateLimitError) {
    return said('rate_limited', 'Stripe asks to slow down');
  }
  if (
    error instanceof Stripe.errors.StripeAuthenticationError ||
    error instanceof Stripe.errors.StripePermissionError
  ) {
    return said('misconfigured', `Stripe refused secret_key (${providerCode}): set a valid one`);
  }
  // Another request with our key is under way, or was made of other parameters: what became of it
  // is found by looking it up.
  if (error.statusCode === 409 || error instanceof Stripe.errors.StripeIdempotencyError) {
    const message = `Stripe has a request with this key already (${providerCode})`;
    return new ProviderError('ambiguous', message, {
      providerCode,
      retryAfterMs: retryAfterMs ?? BUSY_MS,
    });
  }
  const isRefusal = error.statusCode === 400 || error.statusCode === 404;
  if (error instanceof Stripe.errors.StripeInvalidRequestError && isRefusal) {
    const param = error.param === undefined ? 'the request' : error.param;
    const failureCode = AMOUNT_CODES.includes(providerCode) ? 'amount_refused' : null;
    return said('misconfigured', `Stripe refused ${param} (${providerCode})`, failureCode);
  }
  const status = error.statusCode ?? 'no status';
  return said('ambiguous', `Stripe’s answer tells nothing (HTTP ${status})`);
}

function connectionError(error: Stripe.errors.StripeConnectionError): ProviderError {
  const { code, isUnsent } = causeOf(error);
  const message = isUnsent
    ? `Stripe could not be reached (${code})`
    : `Stripe’s answer was lost (${code ?? 'connection'})`;
  return new ProviderError(isUnsent ? 'unsent' : 'ambiguous', message, { providerCode: code });
}
