import type { SealedWebhookEvent } from '../domain/webhook-event.ts';
import { keepEvent } from './proxies.ts';

/**
 * Holds a callback that came while the database was away and that no running workflow could take:
 * a late or a malformed one. It is stored once the database is back; the sweeper sees to the rest.
 */
export async function keep(event: SealedWebhookEvent): Promise<void> {
  await keepEvent(event);
}
