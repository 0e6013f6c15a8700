import type { PaymentInput } from '../domain/payment.ts';
import { CALL_PRIORITIES, providerTaskQueue } from './messages.ts';

/**
 * Where a call to a provider waits. All merchants share the provider's queue and its rate limit:
 * what moves money goes before what only asks, and within a priority merchants take turns, where
 * the server knows fairness.
 */
export function callOf(
  { provider, merchantId }: Pick<PaymentInput, 'provider' | 'merchantId'>,
  kind: keyof typeof CALL_PRIORITIES,
) {
  return {
    taskQueue: providerTaskQueue(provider),
    priority: { priorityKey: CALL_PRIORITIES[kind], fairnessKey: merchantId },
    // It would go past the queue, and so past the rate limit.
    allowEagerDispatch: false,
  } as const;
}
