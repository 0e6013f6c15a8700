import { setTimeout as sleep } from 'node:timers/promises';
import type { Policies } from '../../config/policies.ts';
import type { Pool } from '../../db/pool.ts';
import { countWaitingCharges } from '../../db/waiting-charges.ts';
import { ApiError } from '../errors.ts';
import type { Deployment } from '../health/deployment.ts';

type Queue = { readonly merchantId: string; readonly provider: string };

export type Turns = {
  /**
   * A merchant's charges may not fill what all merchants share: the queue at a provider, and the
   * workers. This stores one more where the merchant has room for it. Who finds none waits for
   * the next look; then as many are let in as there is room for, in their order.
   * Several processes that look at the same moment may together let a few more through.
   * @param store what stores it.
   * @throws ApiError rate_limited, with Retry-After, before anything is stored.
   */
  within<Stored>(queue: Queue, store: () => Promise<Stored>): Promise<Stored>;
};

type Parts = {
  readonly pool: Pool;
  readonly policies: Policies;
  readonly deployment: Deployment;
};
type Caller = {
  readonly admit: (isAdmitted: boolean) => void;
  readonly fail: (reason: unknown) => void;
};
/** Of one merchant at one provider. */
type Line = {
  callers: Caller[];
  /** Let in, and perhaps not stored yet. */
  storing: number;
  isLooking: boolean;
};

/** However slow a provider is. */
const ALWAYS = 10;
const RETRY_AFTER_MAX_S = 30;
/** Whoever asks without a pause costs two looks in this time, and no more. */
const LOOK_EVERY_MS = 500;

/** @param pause waits for the next look; a test passes its own. */
export function createTurns(
  { pool, policies, deployment }: Parts,
  pause: () => Promise<unknown> = () => sleep(LOOK_EVERY_MS),
): Turns {
  const lines = new Map<string, Line>();
  const look = async (line: Line, queue: Queue): Promise<void> => {
    const { most } = limitOf({ policies, deployment }, queue.provider);
    const taken = line.storing;
    const room = most - taken - (await countWaitingCharges(pool, queue, most));
    for (const { admit } of line.callers.splice(0, Math.max(0, room))) {
      line.storing += 1;
      admit(true);
    }
  };
  const serve = async (line: Line, queue: Queue): Promise<void> => {
    line.isLooking = true;
    try {
      await look(line, queue);
      if (line.callers.length === 0) return;
      await pause();
      await look(line, queue);
      for (const { admit } of line.callers.splice(0)) admit(false);
    } catch (reason) {
      for (const { fail } of line.callers.splice(0)) fail(reason);
    } finally {
      line.isLooking = false;
    }
  };
  const enter = (line: Line, queue: Queue) =>
    new Promise<boolean>((admit, fail) => {
      line.callers.push({ admit, fail });
      if (!line.isLooking) void serve(line, queue);
    });
  return {
    async within(queue, store) {
      const name = `${queue.merchantId} ${queue.provider}`;
      const line = lines.get(name) ?? { callers: [], storing: 0, isLooking: false };
      lines.set(name, line);
      try {
        if (!(await enter(line, queue))) throw refusal({ policies, deployment }, queue);
        return await store().finally(() => {
          line.storing -= 1;
        });
      } finally {
        if (!line.isLooking && line.storing === 0) lines.delete(name);
      }
    },
  };
}

function refusal(parts: Omit<Parts, 'pool'>, { provider }: Queue): ApiError {
  const { most, perSecond, waitMs } = limitOf(parts, provider);
  const detail = `${most} payments of yours wait for their turn at ${provider}, which takes ${perSecond} calls a second of all merchants together, and no more may wait; send this one again after Retry-After, with the same Idempotency-Key`;
  const retryAfterS = Math.max(1, Math.ceil(Math.min(RETRY_AFTER_MAX_S, waitMs / 4_000)));
  return new ApiError('rate_limited', detail, [], retryAfterS);
}

function limitOf({ policies, deployment }: Omit<Parts, 'pool'>, provider: string) {
  const { fair_ms, unfair_ms, charges_max } = policies.api.waiting_charges;
  const { fairness } = deployment.state();
  // While Temporal is away nothing of ours is in its queues: payments are stored for later.
  const waitMs = fairness === 'on' || fairness === null ? fair_ms : unfair_ms;
  const perSecond = policies.providers[provider]?.rate_limit_per_second ?? 1;
  const inTime = Math.ceil((perSecond * waitMs) / 1_000);
  return { most: Math.min(charges_max, Math.max(ALWAYS, inTime)), perSecond, waitMs };
}
