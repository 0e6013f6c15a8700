import { setCurrentDetails } from '@temporalio/workflow';
import type { SealedWebhookEvent } from '../domain/webhook-event.ts';
import { keepEvent } from './proxies.ts';

/**
 * Holds a callback that the database could not store and that no running workflow could take: a
 * late, a malformed or a signed one. It waits, however long, until it is stored; the sweeper sees
 * to the rest.
 */
export async function keep(event: SealedWebhookEvent): Promise<void> {
  setCurrentDetails(
    `The callback ${event.id} of ${event.provider} is not in PostgreSQL yet, and exists only here: do not terminate this workflow. It is tried again until PostgreSQL takes it. The pending activity shows what PostgreSQL says.`,
  );
  await keepEvent(event);
  setCurrentDetails('The callback is in PostgreSQL.');
}
