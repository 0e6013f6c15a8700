import type { AccountEvent } from '../domain/webhook-event.ts';
import { recordDispute } from './disputes.ts';
import type { Pool } from './pool.ts';
import { recordProviderRefund } from './provider-refunds.ts';

export type FoundEvent = {
  readonly eventId: string;
  readonly provider: string;
  readonly account: string | null;
  readonly event: AccountEvent;
};

/**
 * Writes down what an account tells of a payment that it names by the provider's own id, together
 * with what becomes of the stored callback.
 * @returns unknown where that is left to the caller: there is no such payment, or not yet.
 */
export async function recordAccountEvent(
  pool: Pool,
  { event, ...found }: FoundEvent,
): Promise<'recorded' | 'nothing_new' | 'parked' | 'unknown'> {
  if (event.kind === 'dispute') return await recordDispute(pool, { ...found, dispute: event });
  return await recordProviderRefund(pool, { ...found, refund: event.refund });
}
