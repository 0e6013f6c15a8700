import { FAILURE_CODES, type FailureCode } from '../../domain/error.ts';
import { REVIEW_REASONS, type ReviewReason } from '../../domain/payment.ts';
import {
  isRefundFailureCode,
  REFUND_FAILURES,
  type RefundFailureCode,
} from '../../domain/refund.ts';
import type { RefundStatus } from '../../domain/refund-states.ts';
import type { ProviderName } from '../../providers/index.ts';
import type { Chance } from './chance.ts';

/** How a payment stands in the end, and what came back of it. */
export type Ending =
  | { readonly status: 'created' | 'processing' | 'requires_action' | 'authorized' }
  | { readonly status: 'succeeded'; readonly refund: RefundEnding | null }
  | { readonly status: 'failed' | 'canceled'; readonly failure: FailureCode }
  | { readonly status: 'needs_review'; readonly reason: ReviewReason };
export type RefundEnding = {
  readonly status: RefundStatus;
  readonly failure: RefundFailureCode | null;
  readonly isPartial: boolean;
};

type Failed = {
  readonly provider: ProviderName;
  /** The provider's own word for it. */
  readonly code: string;
  readonly status: 'failed' | 'canceled';
  readonly weight: number;
};
/** Where each failure is seen, and how often. */
// biome-ignore format: table, one row per line
export const FAILED = {
  insufficient_funds: { provider: 'mpesa', code: '1', status: 'failed', weight: 30 },
  wrong_pin: { provider: 'mpesa', code: '2001', status: 'failed', weight: 14 },
  payer_canceled: { provider: 'mpesa', code: '1032', status: 'canceled', weight: 26 },
  prompt_expired: { provider: 'mpesa', code: '1019', status: 'failed', weight: 8 },
  payer_unreachable: { provider: 'mpesa', code: '1037', status: 'failed', weight: 16 },
  payer_busy: { provider: 'mpesa', code: '1001', status: 'failed', weight: 4 },
  payer_limit: { provider: 'mpesa', code: '8', status: 'failed', weight: 3 },
  amount_refused: { provider: 'mpesa', code: '2', status: 'failed', weight: 1 },
  repeated_too_soon: { provider: 'mpesa', code: '17', status: 'failed', weight: 2 },
  card_expired: { provider: 'stripe', code: 'expired_card', status: 'failed', weight: 3 },
  card_details_wrong: { provider: 'stripe', code: 'incorrect_cvc', status: 'failed', weight: 4 },
  card_refused: { provider: 'stripe', code: 'generic_decline', status: 'failed', weight: 8 },
  card_blocked: { provider: 'stripe', code: 'lost_card', status: 'failed', weight: 1 },
  authentication_failed: { provider: 'stripe', code: 'payment_intent_authentication_failure', status: 'failed', weight: 3 },
  return_url_missing: { provider: 'stripe', code: 'authentication_required', status: 'failed', weight: 1 },
  authorization_expired: { provider: 'stripe', code: 'automatic', status: 'canceled', weight: 1 },
  declined: { provider: 'cpay', code: 'declined', status: 'failed', weight: 5 },
  provider_unavailable: { provider: 'cpay', code: 'try_again_later', status: 'failed', weight: 2 },
  misconfigured: { provider: 'mpesa', code: '2028', status: 'failed', weight: 1 },
  canceled_by_merchant: { provider: 'cpay', code: 'canceled', status: 'canceled', weight: 3 },
} as const satisfies Record<FailureCode, Failed>;

const failedBy = (failure: FailureCode): Ending => ({ status: FAILED[failure].status, failure });
const gaveBack = (status: RefundStatus, isPartial = false): Ending => ({
  status: 'succeeded',
  refund: { status, failure: null, isPartial },
});

/** Each of these is there, whatever chance says. */
export const CERTAIN: readonly Ending[] = [
  ...(['created', 'processing', 'requires_action', 'authorized'] as const).flatMap((status) => [
    { status },
    { status },
  ]),
  ...FAILURE_CODES.map(failedBy),
  ...REVIEW_REASONS.map((reason): Ending => ({ status: 'needs_review', reason })),
  gaveBack('pending'),
  gaveBack('needs_review'),
  gaveBack('succeeded'),
  gaveBack('succeeded', true),
  ...Object.keys(REFUND_FAILURES)
    .filter(isRefundFailureCode)
    .map(
      (failure): Ending => ({
        status: 'succeeded',
        refund: { status: 'failed', failure, isPartial: false },
      }),
    ),
];

/** How it ends where nothing is certain: mostly well. */
export function chooseEnding(chance: Chance): Ending {
  return chance.weigh<() => Ending>([
    [() => ({ status: 'succeeded', refund: null }), 78],
    [() => gaveBack('succeeded', chance.fraction() < 0.5), 4],
    [() => failedBy(chance.weigh(FAILURE_CODES.map((code) => [code, FAILED[code].weight]))), 18],
  ])();
}
