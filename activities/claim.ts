import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { DispatchClaim } from '../db/dispatch.ts';
import type { ChargeContext } from '../domain/provider.ts';
import { lostSend, sendFailure } from './failure.ts';

const CLAIM_TRIES = 4;
const CLAIM_PAUSE_MS = 500;
const HEARTBEAT_EVERY_MS = 1_500;

/** Thrown through a provider's client when a send is not ours to make. */
class ClaimRefused extends Error {
  readonly claim: DispatchClaim;

  constructor(claim: DispatchClaim) {
    super(`the dispatch was not claimed: ${claim.kind}`);
    this.claim = claim;
  }
}

/** One send of a charge or refund, bound to the database's word on who may make it. */
export type Send<T> = {
  /** The claim of an earlier run of this send, or why there can be none; null: it is to be made. */
  find(): Promise<DispatchClaim | null>;
  /** Claims it. The nonce names this run, which may ask again when the database went away. */
  claim(nonce: string): Promise<DispatchClaim>;
  /**
   * How long the provider remembers our key; null when it takes none. So long a send that an
   * earlier run claimed is repeated, and the provider answers with what became of it.
   */
  readonly dedupeWindowMs: number | null;
  make(context: ChargeContext): Promise<T>;
  /**
   * Whether an earlier run may itself have brought about this answer, should the provider have
   * forgotten our key: given to a repeat, it proves nothing.
   */
  readonly isOfEarlier?: (answer: T) => boolean;
  /** What is to be said of a send that is not made again. Returns or throws. */
  leave(claim: DispatchClaim): T;
};

/**
 * Makes a send with a heartbeat, at most once, or again under the provider's key. Whether an
 * earlier run claimed it is asked before anything else: what fails in this run, be it only a token,
 * proves nothing about that one.
 * @throws ApplicationFailure by `failure.ts`.
 */
export async function makeSend<T>(send: Send<T>): Promise<T> {
  const activity = Context.current();
  const beat = setInterval(() => activity.heartbeat(), HEARTBEAT_EVERY_MS);
  const run = { dispatched: false, isRepeat: false, mayRepeat: send.dedupeWindowMs !== null };
  try {
    const earlier = await askPatiently(() => send.find());
    const isLeft = earlier !== null && !isRepeatable(earlier, send);
    if (isLeft) throw new ClaimRefused(earlier);
    if (earlier !== null) Object.assign(run, { dispatched: true, isRepeat: true });
    const dispatch = bindDispatch(send, run);
    const answer = await send.make({ dispatch, signal: activity.cancellationSignal });
    const isDoubtful = run.isRepeat && send.isOfEarlier?.(answer) === true;
    if (!isDoubtful) return answer;
  } catch (error) {
    if (error instanceof ClaimRefused) return send.leave(error.claim);
    throw sendFailure(error, run);
  } finally {
    clearInterval(beat);
  }
  throw lostSend('what the provider tells may have been done by an earlier run');
}

type Run = { dispatched: boolean; isRepeat: boolean };

/** What a provider's client awaits right before its first byte leaves. */
function bindDispatch(
  send: Pick<Send<unknown>, 'claim' | 'dedupeWindowMs'>,
  run: Run,
): () => Promise<void> {
  const nonce = randomUUID();
  return async () => {
    const claim = await askPatiently(() => send.claim(nonce));
    if (claim.kind !== 'dispatched' && !isRepeatable(claim, send)) throw new ClaimRefused(claim);
    run.dispatched = true;
    run.isRepeat ||= claim.kind !== 'dispatched';
  };
}

/** A provider that told its id has it, so it can be asked; a key is good for its window only. */
function isRepeatable(
  claim: DispatchClaim,
  { dedupeWindowMs }: Pick<Send<unknown>, 'dedupeWindowMs'>,
): boolean {
  if (claim.kind !== 'already_dispatched' || claim.providerId !== null) return false;
  return dedupeWindowMs !== null && claim.ageMs < dedupeWindowMs;
}

async function askPatiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await ask();
    } catch (error) {
      if (tried >= CLAIM_TRIES) throw error;
      await sleep(CLAIM_PAUSE_MS * tried);
    }
  }
}
