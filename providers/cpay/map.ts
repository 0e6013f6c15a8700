import { type FailureCode, failure, ProviderError } from '../../domain/error.ts';
import type { LookupResult, Outcome } from '../../domain/outcome.ts';
import type { ProviderRefund } from '../../domain/provider-refund.ts';
import {
  type RefundFailureCode,
  type RefundResult,
  refundFailed,
  refundFailure,
} from '../../domain/refund.ts';
import { entryOf } from '../../domain/table.ts';
import { workflowNamed } from '../shared/owner.ts';
import { type Charge, errorAnswer, type Refund } from './wire.ts';

/** CPay's decline codes in our words; any other is `declined`. */
// table
const DECLINES: Readonly<Record<string, FailureCode>> = {
  declined: 'declined',
  insufficient_funds: 'insufficient_funds',
  payer_canceled: 'payer_canceled',
  try_again_later: 'provider_unavailable',
};
// table
const REFUND_FAILURES: Readonly<Record<string, RefundFailureCode>> = {
  refused: 'declined',
  already_refunded: 'already_reversed',
};

const OUTCOMES = {
  authorized: 'authorized',
  succeeded: 'succeeded',
  declined: 'declined',
  canceled: 'canceled',
} as const satisfies Record<Exclude<Charge['status'], 'pending'>, Outcome['kind']>;

/** What a charge of CPay means for the payment. */
export function readCharge(charge: Charge): LookupResult {
  const { id, status, decline_code, currency } = charge;
  if (status === 'pending') {
    const message = 'CPay is at it';
    return { kind: 'pending', providerPaymentId: id, providerCode: status, message };
  }
  const isMoney = status === 'succeeded' || status === 'authorized';
  const amountMinor = status === 'succeeded' ? charge.amount_captured : charge.amount;
  const code = decline_code ?? (status === 'canceled' ? 'payer_canceled' : 'declined');
  return {
    kind: OUTCOMES[status],
    providerPaymentId: id,
    receipt: charge.receipt,
    money: isMoney ? { amountMinor, currency } : null,
    failure: isMoney ? null : failure(entryOf(DECLINES, code) ?? 'declined', code),
    providerCode: isMoney ? status : code,
  };
}

/** What a refund of CPay means for ours. */
export function readRefund({ id, status, amount, failure_code }: Refund): RefundResult {
  if (status === 'pending') {
    const message = 'CPay is at it';
    return { kind: 'pending', providerRefundId: id, providerCode: status, message };
  }
  const code = failure_code ?? 'refused';
  const hasFailed = status === 'failed';
  return {
    kind: status,
    providerRefundId: id,
    receipt: null,
    amountMinor: amount,
    failure: hasFailed ? refundFailure(entryOf(REFUND_FAILURES, code) ?? 'declined', code) : null,
    providerCode: hasFailed ? code : status,
  };
}

/** The workflow of ours that the object's metadata names; null for none. */
export function ownerOf(object: unknown, of: 'payment' | 'refund'): string | null {
  return workflowNamed(object, 'workflow', of);
}

/** A refund that we did not make; null where it names no charge or no money. */
export function readProviderRefund(refund: Refund): ProviderRefund | null {
  const { id, charge, amount, currency } = refund;
  if (charge === null || amount <= 0) return null;
  const place = { providerRefundId: id, providerPaymentId: charge };
  return { ...place, amountMinor: amount, currency, result: readRefund(refund) };
}

/**
 * A refusal that tells what stands against the refund is an answer about it.
 * @throws whatever else went wrong, as it came.
 */
export function readRefundRefusal(error: unknown): RefundResult {
  const isRefusal = error instanceof ProviderError && error.kind === 'misconfigured';
  const providerCode = (isRefusal && error.providerCode) || '';
  const code = entryOf(REFUND_FAILURES, providerCode);
  if (code === undefined) throw error;
  return refundFailed(refundFailure(code, providerCode));
}

/** Nothing was found under our id: that proves nothing, a request may still be on its way. */
export function notFound(what: string) {
  const message = `CPay knows no ${what} with our id`;
  return { kind: 'unknown', providerCode: 'not_found', message } as const;
}

/** An answer that is no charge or refund. What CPay refuses by 4xx is not done. */
export function readRefusal(
  status: number,
  body: unknown,
  retryAfterMs: number | null,
): ProviderError {
  const parsed = errorAnswer.safeParse(body);
  const code = parsed.success ? parsed.data.error.code : null;
  const providerCode = code ?? String(status);
  if (status === 429) {
    return new ProviderError('rate_limited', 'CPay asks to slow down', {
      providerCode,
      retryAfterMs,
    });
  }
  if (status === 401 || status === 403) {
    return new ProviderError('misconfigured', 'CPay refused api_key: set the account’s key', {
      providerCode,
    });
  }
  const isProven = parsed.success && (status === 400 || status === 404 || status === 422);
  if (!isProven) {
    return new ProviderError('ambiguous', `CPay’s answer tells nothing (HTTP ${status})`, {
      providerCode,
      retryAfterMs,
    });
  }
  const { field } = parsed.data.error;
  const message = `CPay refused ${field ?? 'the request'} (${code})`;
  return new ProviderError('misconfigured', message, { providerCode });
}
