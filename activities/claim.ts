import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { ChargeContext } from '../domain/provider.ts';

/** The database's word on a send: see `recordDispatch` and `recordRefundDispatch`. */
export type Claim =
  | { readonly kind: 'dispatched' | 'refused' }
  | { readonly kind: 'already_dispatched' };

const CLAIM_TRIES = 4;
const CLAIM_PAUSE_MS = 500;
const HEARTBEAT_EVERY_MS = 1_500;

/** Thrown through a provider's client when a send is not ours to make. */
export class ClaimRefused<C extends Claim> extends Error {
  readonly claim: C;

  constructor(claim: C) {
    super(`the dispatch was not claimed: ${claim.kind}`);
    this.claim = claim;
  }
}

export type Dispatching = {
  readonly context: ChargeContext;
  /** True when this run claimed the send, or may send it again under the same key. */
  readonly isDispatched: () => boolean;
};

/**
 * Runs a send with a heartbeat and with `dispatch()` bound to the database's claim.
 * @param claim asks the database; the nonce names this run, so that it may ask again when the
 * database went away at commit.
 * @param mayRepeat true for providers that deduplicate by our key: a send that an earlier run
 * claimed is sent again, and the provider answers with what became of it.
 */
export async function withDispatch<C extends Claim, T>(
  claim: (nonce: string) => Promise<C>,
  mayRepeat: boolean,
  send: (dispatching: Dispatching) => Promise<T>,
): Promise<T> {
  const activity = Context.current();
  const beat = setInterval(() => activity.heartbeat(), HEARTBEAT_EVERY_MS);
  const nonce = randomUUID();
  let dispatched = false;
  const dispatch = async () => {
    const answer = await claimPatiently(() => claim(nonce));
    const isRepeat = mayRepeat && answer.kind === 'already_dispatched';
    if (answer.kind !== 'dispatched' && !isRepeat) throw new ClaimRefused(answer);
    dispatched = true;
  };
  try {
    const context = { dispatch, signal: activity.cancellationSignal };
    return await send({ context, isDispatched: () => dispatched });
  } finally {
    clearInterval(beat);
  }
}

async function claimPatiently<C>(claim: () => Promise<C>): Promise<C> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await claim();
    } catch (error) {
      if (tried >= CLAIM_TRIES) throw error;
      await sleep(CLAIM_PAUSE_MS * tried);
    }
  }
}
