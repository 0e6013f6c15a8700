import type { PaymentInput } from '../domain/payment.ts';
import { providerTaskQueue } from './messages.ts';

/** Which call to a provider goes first: from 1 to 5, and 3 where nothing is said. */
const PRIORITIES = { money: 2, question: 4, look_back: 5 } as const;

/**
 * Where a call to a provider waits. All merchants share the provider's queue and its rate limit:
 * what moves money goes before what only asks, and where the server knows fairness, merchants take
 * turns.
 */
export function callOf(
  { provider, merchantId }: Pick<PaymentInput, 'provider' | 'merchantId'>,
  kind: keyof typeof PRIORITIES,
) {
  return {
    taskQueue: providerTaskQueue(provider),
    priority: { priorityKey: PRIORITIES[kind], fairnessKey: merchantId },
    // It would go past the queue, and so past the rate limit.
    allowEagerDispatch: false,
  } as const;
}
