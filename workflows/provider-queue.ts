import type { PaymentInput } from '../domain/payment.ts';
import { providerTaskQueue } from './messages.ts';

/**
 * Which call to a provider goes first; Temporal knows five priorities. `last` is what nobody waits
 * for at the moment: in a review, and after the end.
 */
const PRIORITIES = { charge: 1, capture: 2, refund: 3, question: 4, last: 5 } as const;
export type CallKind = keyof typeof PRIORITIES;

/**
 * Where a call to a provider waits. All merchants share the provider's queue and its rate limit:
 * what moves money goes before what only asks, and within a priority merchants take turns, where
 * the server knows fairness.
 */
export function callOf(
  { provider, merchantId }: Pick<PaymentInput, 'provider' | 'merchantId'>,
  kind: CallKind,
) {
  return {
    taskQueue: providerTaskQueue(provider),
    priority: { priorityKey: PRIORITIES[kind], fairnessKey: merchantId },
    // It would go past the queue, and so past the rate limit.
    allowEagerDispatch: false,
  } as const;
}
