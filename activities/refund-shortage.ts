import { recordProviderRefund } from '../db/provider-refunds.ts';
import { findLeftFor } from '../db/refund-money.ts';
import { findAnyRefund } from '../db/refunds.ts';
import { ProviderError } from '../domain/error.ts';
import { type Currency, formatMoney } from '../domain/money.ts';
import type { ProviderClient } from '../domain/provider.ts';
import {
  isRefundOutcome,
  type RefundOutcome,
  type RefundResult,
  refundFailure,
} from '../domain/refund.ts';
import type { ActivityDeps } from './deps.ts';

type Asked = {
  readonly refundId: string;
  readonly provider: string;
  readonly credentialsRef: string;
  readonly providerPaymentId: string | null;
  readonly amountMinor: number;
  readonly currency: Currency;
  readonly timeoutMs: number;
};

/**
 * Whether the provider refused a refund since less is left than it asks for. By whom the rest was
 * refunded, it does not say: it may have been this very refund (ADR 0006).
 */
export function isShortage(answer: RefundResult): answer is RefundOutcome {
  if (!isRefundOutcome(answer) || answer.providerRefundId !== null) return false;
  return answer.failure?.code === 'already_reversed' || answer.failure?.code === 'amount_refused';
}

/**
 * Where less is left than we thought, somebody refunded at the provider: its refunds are asked for
 * and written down, so that the merchant reads what is left. When that cannot be learned now, the
 * refusal stands as it came.
 */
export async function explainShortage(
  { pool }: Pick<ActivityDeps, 'pool'>,
  client: ProviderClient,
  asked: Asked,
  refused: RefundOutcome,
  signal: AbortSignal,
): Promise<RefundResult> {
  const { providerPaymentId, timeoutMs, provider, credentialsRef, refundId } = asked;
  const { amountMinor, currency } = asked;
  if (client.listProviderRefunds === undefined || providerPaymentId === null) return refused;
  try {
    const request = { providerPaymentId, timeoutMs };
    const [account = ''] = credentialsRef.split('@');
    for (const refund of await client.listProviderRefunds(request, signal)) {
      await recordProviderRefund(pool, { eventId: null, provider, account, refund });
    }
  } catch (error) {
    if (error instanceof ProviderError) return refused;
    throw error;
  }
  const refund = await findAnyRefund(pool, refundId);
  const left = refund === null ? amountMinor : await findLeftFor(pool, refund);
  // What was found there does not explain it: then what is left is not known.
  if (left >= amountMinor) return refused;
  const code = left === 0 ? 'already_reversed' : 'amount_refused';
  const money = `${formatMoney({ amountMinor: left, currency })} (${left})`;
  const { message } = refundFailure(code);
  const failure = refundFailure(code, refused.providerCode, `${message} ${money} can be refunded.`);
  return { ...refused, failure };
}
