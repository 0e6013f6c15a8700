import type { Problem } from './types.ts';

/**
 * Malipo said no. Below status 500 nothing was done; from 500 on nobody knows, so repeat the call
 * with the same `idempotencyKey` where there is one, else look first.
 */
export class MalipoError extends Error {
  /** Of HTTP. */
  readonly status: number;
  /** What to branch on, such as `refund_too_much`; `/problems/{code}` is a page about it. */
  readonly code: string;
  /** For people: what was wrong and how to mend it. */
  readonly detail: string;
  /** Tell us when you ask about it. */
  readonly requestId: string;
  /** The very same request may work later. It was sent again already, as often as allowed. */
  readonly retryable: boolean;
  /** Where the request was wrong: a JSON Pointer, or a header's name. */
  readonly errors: Problem['errors'];
  /** The key of the call; null when it takes none. */
  readonly idempotencyKey: string | null;
  /** How long Malipo asked to wait; null when it did not say. */
  readonly retryAfterMs: number | null;

  constructor(
    problem: Problem,
    call: { readonly idempotencyKey: string | null; readonly retryAfterMs: number | null },
  ) {
    super(`${problem.status} ${problem.code}: ${problem.detail} (${problem.request_id})`);
    this.name = 'MalipoError';
    this.status = problem.status;
    this.code = problem.code;
    this.detail = problem.detail;
    this.requestId = problem.request_id;
    this.retryable = problem.retryable;
    this.errors = problem.errors;
    this.idempotencyKey = call.idempotencyKey;
    this.retryAfterMs = call.retryAfterMs;
  }
}

/**
 * No answer of Malipo came: a dead line, a timeout, or a page of something in between. Unless
 * `isUnsent`, the request may have been heard. What is unknown is never guessed: repeat the call
 * with `idempotencyKey` and be told what the first one did, or look before you repeat one without.
 */
export class MalipoConnectionError extends Error {
  readonly idempotencyKey: string | null;
  /** No try ever reached Malipo, so nothing can have been done. */
  readonly isUnsent: boolean;
  readonly tries: number;

  constructor(call: {
    readonly name: string;
    readonly reason: string;
    readonly cause: unknown;
    readonly idempotencyKey: string | null;
    readonly isUnsent: boolean;
    readonly tries: number;
  }) {
    const { name, reason, cause, idempotencyKey, isUnsent, tries } = call;
    const advice = isUnsent ? 'nothing was sent' : adviseOn(idempotencyKey);
    super(`${name}: ${reason} (tries: ${tries}); ${advice}`, { cause });
    this.name = 'MalipoConnectionError';
    this.idempotencyKey = idempotencyKey;
    this.isUnsent = isUnsent;
    this.tries = tries;
  }
}

function adviseOn(idempotencyKey: string | null): string {
  return idempotencyKey === null
    ? 'it may have been done, so look before you repeat it'
    : `it may have been done; repeat it with idempotencyKey ${JSON.stringify(idempotencyKey)}`;
}
