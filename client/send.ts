import { setTimeout as sleep } from 'node:timers/promises';
import { type Conclusion, type Failure, type Outcome, readAnswer, readSilence } from './answer.ts';
import { MalipoConnectionError, MalipoError } from './errors.ts';
import { OPERATIONS, type OperationName, type Repeat } from './operations.ts';
import type { AnswerOf } from './types.ts';

export type Settings = {
  readonly apiKey: string;
  /** Without a slash at its end. */
  readonly baseUrl: string;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly backoffMs: number;
  readonly fetch: typeof globalThis.fetch;
};

export type RequestOptions = {
  /** Ends the call early, pauses included. What was sent may have been heard. */
  readonly signal?: AbortSignal;
};
export type KeyedOptions = RequestOptions & {
  /**
   * Your name for this very payment or refund, such as the id of the order. A call with the same
   * key and body is the same payment. Left out, a random one is made for the call, which repeats
   * of this call share; a process that crashes in between cannot repeat it, so prefer your own.
   */
  readonly idempotencyKey?: string;
  /**
   * Wait at most so many whole seconds for the first news, 0 for none; left out, as long as the
   * reference says. A payment or refund that has no news yet is answered as it stands, and goes on.
   */
  readonly waitSeconds?: number;
};

type QueryValue = string | number | readonly string[] | undefined;
type Call = {
  /** Fills the part of the path that varies. */
  readonly of?: string;
  readonly query?: Readonly<Record<string, QueryValue>>;
  readonly body?: object;
  readonly options?: KeyedOptions | undefined;
};
export type Send = <N extends OperationName>(name: N, call?: Call) => Promise<AnswerOf<N>>;

type Request = {
  readonly name: OperationName;
  readonly url: string;
  readonly init: RequestInit;
  readonly repeat: Repeat;
  readonly idempotencyKey: string | null;
  readonly signal: AbortSignal | undefined;
};

/** Whether a try may be followed by another one, by what it said and by what a repeat would do. */
const MAY_REPEAT = {
  // table
  unheard: { by_key: true, freely: true, once: true },
  doubtful: { by_key: true, freely: true, once: false },
  final: { by_key: false, freely: false, once: false },
} as const satisfies Record<Conclusion, Record<Repeat, boolean>>;

/** The one way to the API: sends, and sends again where that is safe and may help. */
export function createSend(settings: Settings): Send {
  return async <N extends OperationName>(name: N, call: Call = {}): Promise<AnswerOf<N>> => {
    const request = describeRequest(settings, name, call);
    let isUnsent = true;
    for (let tries = 1; ; tries += 1) {
      const outcome = await tryOnce<AnswerOf<N>>(settings, request);
      if (outcome.isAnswered) return outcome.value;
      isUnsent &&= !outcome.isSent;
      const pauseMs = choosePause(tries, settings.backoffMs, outcome.retryAfterMs);
      const mayRepeat = tries <= settings.retries && MAY_REPEAT[outcome.conclusion][request.repeat];
      if (!mayRepeat || pauseMs === null) throw toError(request, outcome, { tries, isUnsent });
      // When the caller gives up meanwhile, the next try says so.
      await sleep(pauseMs, undefined, { signal: request.signal }).catch(() => undefined);
    }
  };
}

function describeRequest({ baseUrl, apiKey }: Settings, name: OperationName, call: Call): Request {
  const { method, path, repeat } = OPERATIONS[name];
  const { of, query = {}, body, options = {} } = call;
  const idempotencyKey =
    repeat === 'by_key' ? (options.idempotencyKey ?? crypto.randomUUID()) : null;
  const headers = new Headers({
    accept: 'application/json, application/problem+json',
    authorization: `Bearer ${apiKey}`,
  });
  if (body !== undefined) headers.set('content-type', 'application/json');
  if (idempotencyKey !== null) headers.set('idempotency-key', idempotencyKey);
  if (options.waitSeconds !== undefined) {
    headers.set('prefer', `wait=${readSeconds(options.waitSeconds)}`);
  }
  return {
    name,
    url: `${baseUrl}${fillPath(path, of)}${toSearch(query)}`,
    init: {
      method,
      headers,
      // A POST that followed a redirect would arrive as a GET.
      redirect: 'manual',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
    repeat,
    idempotencyKey,
    signal: options.signal,
  };
}

/** @throws TypeError: the API would ignore it without a word. */
function readSeconds(seconds: number): number {
  if (Number.isInteger(seconds) && seconds >= 0) return seconds;
  throw new TypeError(`waitSeconds takes whole seconds from 0 on, not ${seconds}`);
}

/** @throws TypeError for what would name another path, such as an empty id. */
function fillPath(path: string, of: string | undefined): string {
  return path.replace(/\{(\w+)\}/, (_braces, name) => {
    if (of !== undefined && /^[\w-]+$/.test(of)) return of;
    throw new TypeError(`${name} takes letters, digits, _ and -, not ${JSON.stringify(of)}`);
  });
}

function toSearch(query: Readonly<Record<string, QueryValue>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.set(name, String(value));
  }
  return search.size === 0 ? '' : `?${search.toString()}`;
}

async function tryOnce<T>({ fetch, timeoutMs }: Settings, request: Request): Promise<Outcome<T>> {
  const limit = AbortSignal.timeout(timeoutMs);
  const signal = request.signal === undefined ? limit : AbortSignal.any([request.signal, limit]);
  try {
    return await readAnswer<T>(await fetch(request.url, { ...request.init, signal }));
  } catch (error) {
    return readSilence(error, timeoutMs, request.signal?.aborted === true);
  }
}

const PAUSE_MAX_MS = 8_000;
const RETRY_AFTER_MAX_MS = 60_000;

/**
 * Twice as long after each try, and by chance, so that many clients do not come back at once; not
 * before the time that Malipo named. Null: that is too far away, so the caller should know.
 */
function choosePause(tries: number, firstMs: number, retryAfterMs: number | null): number | null {
  if (retryAfterMs !== null && retryAfterMs > RETRY_AFTER_MAX_MS) return null;
  const fullMs = Math.min(PAUSE_MAX_MS, firstMs * 2 ** (tries - 1));
  return (retryAfterMs ?? fullMs / 2) + Math.random() * (fullMs / 2);
}

function toError(
  { name, idempotencyKey }: Request,
  { problem, reason, cause, retryAfterMs }: Failure,
  told: { readonly tries: number; readonly isUnsent: boolean },
): MalipoError | MalipoConnectionError {
  if (problem !== null) return new MalipoError(problem, { idempotencyKey, retryAfterMs });
  return new MalipoConnectionError({ name, reason, cause, idempotencyKey, ...told });
}
