import { metricMeter } from '@temporalio/activity';
import type { DELIVERY_STATUSES } from '../db/deliveries.ts';

/** What became of a delivery by a try; `pending` is tried again. Beside Temporal's own metrics. */
export function countDelivery(status: (typeof DELIVERY_STATUSES)[number]): void {
  count('malipo_deliveries_total', 'Tries of webhooks by what became of them', { status });
}

/** A question to a provider about a payment or refund; `no_answer` where it gave none. */
export function countPoll(provider: string, answer: string): void {
  count('malipo_polls_total', 'Look-ups at providers by their answer', { provider, answer });
}

/** A change of a payment or refund that its table refuses: it was counted on, and is not so. */
export function countRefusal(labels: {
  readonly of: 'payment' | 'refund';
  readonly from: string;
  readonly event: string;
}): void {
  count('malipo_refused_transitions_total', 'Changes of status that the tables refused', labels);
}

/** A try to store a callback that Temporal holds. While this grows, look why PostgreSQL refuses. */
export function countUnstoredCallback(provider: string): void {
  const help = 'Tries in vain to store callbacks that Temporal holds';
  count('malipo_unstored_callbacks_total', help, { provider });
}

/** A row that was gone when something was to be written about it: the database was put back. */
export function countMissing(labels: {
  readonly of: 'payment' | 'refund';
  readonly goes_on: 'rebuilt' | 'adopted' | 'waits';
}): void {
  count('malipo_missing_rows_total', 'Rows that were gone when their workflows wrote', labels);
}

function count(name: string, help: string, labels: Readonly<Record<string, string>>): void {
  metricMeter.createCounter(name, '', help).add(1, labels);
}
