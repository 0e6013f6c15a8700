import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from '../../db/pool.ts';
import { isTokenExpired } from '../../db/token-life.ts';
import { isDatabaseUnavailable } from '../../db/unavailable.ts';
import { insertWebhookEvent, isAboutOurs } from '../../db/webhook-events.ts';
import { isUnreadable, type SealedWebhookEvent } from '../../domain/webhook-event.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { malformedKey } from './keeping.ts';
import { comparePayer } from './reading.ts';

const STORE_TRIES = 3;
const STORE_PAUSE_MS = 300;
/** A try that hung used up the time of the others: the provider waits for our answer. */
const STORE_WITHIN_MS = 5_000;

/**
 * Null when the database does not store it, for whatever reason: a callback comes once, so even a
 * fault of ours must not lose it. What mends by itself is tried again at once.
 */
export async function storeCallback(
  { callbackPool, vault, policies, log }: ApiDeps,
  sealed: SealedWebhookEvent,
  payerPhone: string | undefined,
) {
  const startedMs = performance.now();
  for (let tried = 1; ; tried += 1) {
    try {
      const { account, workflowId } = sealed;
      const lifeMs = policies.api.callback_token_life_ms;
      const isByToken = account === null && workflowId !== null;
      if (isByToken && (await isTokenExpired(callbackPool, workflowId, lifeMs))) {
        throw new ExpiredToken();
      }
      const compared = await comparePayer(callbackPool, vault, sealed, payerPhone);
      return await insertWebhookEvent(callbackPool, await inOneRow(callbackPool, compared));
    } catch (error) {
      if (error instanceof ExpiredToken) throw error;
      const isUnavailable = isDatabaseUnavailable(error);
      const level = isUnavailable ? 'warn' : 'error';
      log[level]({ err: error, event_id: sealed.id, tried }, 'a callback could not be stored');
      const isOver = tried === STORE_TRIES || performance.now() - startedMs > STORE_WITHIN_MS;
      if (!isUnavailable || isOver) return null;
      await sleep(STORE_PAUSE_MS * tried);
    }
  }
}

/** What its payment ended too long ago for; answered as a token that was never given out. */
export class ExpiredToken extends ApiError {
  constructor() {
    super('not_found', 'no route has this path');
  }
}

/** What an account signs of nobody’s payment, and nobody can read, has one row for all. */
async function inOneRow(db: Connection, sealed: SealedWebhookEvent): Promise<SealedWebhookEvent> {
  const { account, event, workflowId } = sealed;
  if (account === null || workflowId === null || !isUnreadable(event)) return sealed;
  if (await isAboutOurs(db, sealed)) return sealed;
  return { ...sealed, eventKey: `${account}:${malformedKey(null)}` };
}
