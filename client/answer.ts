import type { Problem } from './types.ts';

/**
 * What a failed try says about the request: `unheard` did nothing, `doubtful` may have done
 * anything, `final` would be answered the same way again.
 */
export type Conclusion = 'unheard' | 'doubtful' | 'final';

export type Failure = {
  readonly isAnswered: false;
  readonly conclusion: Conclusion;
  /** Malipo's own words; null when none came. */
  readonly problem: Problem | null;
  /** The same for people, where there is no problem. */
  readonly reason: string;
  readonly isSent: boolean;
  readonly retryAfterMs: number | null;
  readonly cause?: unknown;
};
export type Outcome<T> = { readonly isAnswered: true; readonly value: T } | Failure;

/** Something between us and Malipo answers with these when it got no answer itself. */
const IN_BETWEEN: ReadonlySet<number> = new Set([502, 503, 504]);
const TOO_MANY = 429;
const NO_CONTENT = 204;

/**
 * Reads an answer to its end. A success is believed to be what the reference says: the API's tests
 * hold each answer against the schema that `T` is made of.
 * @throws whatever ends the reading early.
 */
export async function readAnswer<T>(response: Response): Promise<Outcome<T>> {
  const { status, ok, headers } = response;
  const text = await response.text();
  if (status === NO_CONTENT) return { isAnswered: true, value: undefined as T };
  const body = readObject<T & object>(text);
  if (ok && body !== null) return { isAnswered: true, value: body };
  const problem = !ok && isProblem(body) ? body : null;
  const kind = headers.get('content-type') ?? 'no content type';
  return {
    isAnswered: false,
    conclusion: judge(status, problem),
    problem,
    reason: `the answer, ${status} with ${kind}, is not Malipo’s; is the baseUrl right`,
    isSent: true,
    retryAfterMs: readRetryAfter(headers.get('retry-after')),
  };
}

function judge(status: number, problem: Problem | null): Conclusion {
  // Requests are counted before anything is done with them.
  if (status === TOO_MANY) return 'unheard';
  if (IN_BETWEEN.has(status) || problem?.retryable === true) return 'doubtful';
  // A success that cannot be read: what was asked for may well be done.
  return status < 300 ? 'doubtful' : 'final';
}

/**
 * Nothing has left when the connection did not come about. The system's own errors tell by the call
 * that failed; a code tells nothing, since a connection that stands may report a refusal too. This
 * is a copy of `domain/network-error.ts`, which merchants do not get (ADR 0014); one test holds
 * both to one table.
 */
const CONNECTING: ReadonlySet<string> = new Set(['connect', 'getaddrinfo']);
const NEVER_CONNECTED: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** What it means that `fetch`, or reading its answer, threw. */
export function readSilence(error: unknown, timeoutMs: number, isAborted: boolean): Failure {
  const { name, code, isSent } = describe(error);
  const reason =
    name === 'TimeoutError' ? `no answer within ${timeoutMs} ms` : `no answer, ${code}`;
  return {
    isAnswered: false,
    conclusion: isAborted ? 'final' : isSent ? 'doubtful' : 'unheard',
    problem: null,
    reason: isAborted ? 'the caller gave up' : reason,
    isSent,
    retryAfterMs: null,
    cause: error,
  };
}

type Thrown = Readonly<
  Partial<Record<'name' | 'code' | 'message' | 'cause' | 'syscall' | 'errors', unknown>>
>;
const isThrown = (it: unknown): it is Thrown => typeof it === 'object' && it !== null;

type Described = { readonly name: string; readonly code: string; readonly isSent: boolean };

/** The cause of a failed `fetch` says more than the failure. */
function describe(error: unknown): Described {
  const outer: Thrown = isThrown(error) ? error : { message: error };
  const cause = isThrown(outer.cause) ? outer.cause : outer;
  const code = String(typeof cause.code === 'string' ? cause.code : cause.message);
  return { name: String(outer.name), code, isSent: !NEVER_CONNECTED.has(code) && !isUnsent(cause) };
}

/** A host of several addresses is told of by one error for each. */
function isUnsent({ syscall, errors }: Thrown): boolean {
  if (typeof syscall === 'string') return CONNECTING.has(syscall);
  const each = Array.isArray(errors) ? errors.filter(isThrown) : [];
  return each.length > 0 && each.every(isUnsent);
}

function readObject<T extends object>(text: string): T | null {
  try {
    const value: T | null = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

function isProblem(body: object | null): body is Problem {
  if (body === null) return false;
  const fields: Partial<Record<keyof Problem, unknown>> = body;
  const isText = [fields.code, fields.detail, fields.request_id].every(
    (field) => typeof field === 'string',
  );
  return isText && typeof fields.retryable === 'boolean' && Array.isArray(fields.errors);
}

/** In seconds, or as a date. */
function readRetryAfter(header: string | null): number | null {
  if (header === null || header === '') return null;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}
