import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context, log } from '@temporalio/activity';
import type { DispatchClaim } from '../db/dispatch.ts';
import type { ChargeContext } from '../domain/provider.ts';
import { lostSend, sendFailure } from './failure.ts';

const CLAIM_TRIES = 4;
const CLAIM_PAUSE_MS = 500;
const HEARTBEAT_EVERY_MS = 1_500;
/** For telling an answer that came late. */
export const LATE_DEADLINE_MS = 3_000;

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
  /** The provider's id of what came of it; null where the answer names none. */
  idOf(answer: T): string | null;
  /** Tells the workflow the id that came so late that Temporal may have given this run up. */
  tellLate(providerId: string): Promise<void>;
};

/**
 * Makes a send with a heartbeat, at most once, or again under the provider's key. Whether an
 * earlier run claimed it is asked before anything else: what fails in this run, be it only a token,
 * proves nothing about that one.
 * @throws ApplicationFailure by `failure.ts`.
 */
export async function makeSend<T>(send: Send<T>): Promise<T> {
  const activity = Context.current();
  const witness = openWitness(activity);
  const startedMs = performance.now();
  const beat = setInterval(witness.beat, HEARTBEAT_EVERY_MS);
  const run = { dispatched: false, isRepeat: false, mayRepeat: send.dedupeWindowMs !== null };
  try {
    const earlier = witness.confirm(await askPatiently(() => send.find()));
    const isLeft = earlier !== null && !isRepeatable(earlier, send);
    if (isLeft) throw new ClaimRefused(earlier);
    if (earlier !== null) Object.assign(run, { dispatched: true, isRepeat: true });
    const dispatch = bindDispatch(send, run, witness);
    const answer = await send.make({ dispatch, signal: signalOf(activity) });
    const id = send.idOf(answer);
    if (id !== null) witness.learn(id);
    const { heartbeatTimeoutMs = Number.POSITIVE_INFINITY } = activity.info;
    const isLate = performance.now() - startedMs >= heartbeatTimeoutMs;
    if (id !== null && isLate) await tellPatiently(() => send.tellLate(id));
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

/** What heartbeats tell Temporal of a send, for the runs after this one. */
type Told = { readonly claimedAtMs: number; readonly providerId: string | null };
type Witness = ReturnType<typeof openWitness>;

/**
 * The second witness of a claim: a database that is put back to an earlier time forgets the first.
 * Each heartbeat tells it again, since the newest one is all that Temporal keeps.
 */
function openWitness(activity: Context) {
  let told = readTold(activity.info.heartbeatDetails);
  const beat = () => activity.heartbeat(told ?? undefined);
  const tell = (next: Told) => {
    told = next;
    beat();
  };
  // At once, should this run be lost before its first regular heartbeat.
  if (told !== null) beat();
  return {
    beat,
    claim() {
      if (told === null) tell({ claimedAtMs: Date.now(), providerId: null });
    },
    learn(providerId: string) {
      if (told !== null) tell({ ...told, providerId });
    },
    /** What is known of an earlier run's claim, by the database or by that run's heartbeat. */
    confirm(found: DispatchClaim | null): DispatchClaim | null {
      if (told === null) return found;
      const { claimedAtMs, providerId } = told;
      if (found?.kind === 'already_dispatched')
        return { ...found, providerId: found.providerId ?? providerId };
      return { kind: 'already_dispatched', providerId, ageMs: Date.now() - claimedAtMs };
    },
  };
}

function readTold(details: unknown): Told | null {
  if (typeof details !== 'object' || details === null || !('claimedAtMs' in details)) return null;
  const { claimedAtMs } = details;
  const id = 'providerId' in details ? details.providerId : null;
  if (typeof claimedAtMs !== 'number') return null;
  return { claimedAtMs, providerId: typeof id === 'string' ? id : null };
}

/**
 * Ends the call with its worker. Where only Temporal has given this run up, the call goes on: the
 * provider's answer still names what the next run cannot know.
 */
function signalOf(activity: Context): AbortSignal {
  const controller = new AbortController();
  const { cancellationSignal } = activity;
  const end = () => {
    const { workerShutdown = true, cancelRequested = true } = activity.cancellationDetails ?? {};
    if (workerShutdown || cancelRequested) controller.abort(cancellationSignal.reason);
  };
  if (cancellationSignal.aborted) end();
  else cancellationSignal.addEventListener('abort', end, { once: true });
  return controller.signal;
}

type Run = { dispatched: boolean; isRepeat: boolean };

/** What a provider's client awaits right before its first byte leaves. */
function bindDispatch(
  send: Pick<Send<unknown>, 'claim' | 'dedupeWindowMs'>,
  run: Run,
  witness: Witness,
): () => Promise<void> {
  const nonce = randomUUID();
  return async () => {
    const claim = await askPatiently(() => send.claim(nonce));
    if (claim.kind !== 'dispatched' && !isRepeatable(claim, send)) throw new ClaimRefused(claim);
    witness.claim();
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

/** Of help where it goes; the answer counts in any case. */
async function tellPatiently(tell: () => Promise<void>): Promise<void> {
  try {
    await tell();
  } catch (error) {
    const reason = error instanceof Error ? error.name : 'unknown';
    log.warn('a late answer could not be told to its workflow', { reason });
  }
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
