import { randomUUID } from 'node:crypto';
import { z } from 'zod';

/** Everything the API may say no with. One record, exhaustive; the codes are part of the API. */
// biome-ignore format: table, one row per line
export const PROBLEMS = {
  invalid_request: { status: 400, retryable: false, title: 'The request is not valid', remedy: 'Each entry of `errors` points to a field and says what it takes.' },
  malformed_request: { status: 400, retryable: false, title: 'The request is not HTTP', remedy: 'Send HTTP/1.1 with one Host header; the detail says what could not be read.' },
  malformed_json: { status: 400, retryable: false, title: 'The body is not JSON', remedy: 'Send one JSON object in UTF-8, nested 32 levels at most.' },
  idempotency_key_missing: { status: 400, retryable: false, title: 'Idempotency-Key is missing', remedy: 'Send an Idempotency-Key header with a value that is new for each payment or refund, and the same when you repeat a request.' },
  idempotency_key_malformed: { status: 400, retryable: false, title: 'Idempotency-Key is malformed', remedy: 'Use 1 to 255 visible ASCII characters without spaces, such as a UUID.' },
  unauthorized: { status: 401, retryable: false, title: 'The API key or access token is missing or not valid', remedy: 'Send Authorization: Bearer with a key that is neither revoked nor expired, or sign in again.' },
  sign_in_refused: { status: 401, retryable: false, title: 'Signing in failed', remedy: 'Check the e-mail address and the password; a refresh token is good once.' },
  webhook_refused: { status: 401, retryable: false, title: 'The callback is not proven', remedy: 'The provider has to sign with one of the configured webhook_secrets, not longer than five minutes ago.' },
  forbidden: { status: 403, retryable: false, title: 'This is not yours to do', remedy: 'The detail names the scope or role that is needed.' },
  not_found: { status: 404, retryable: false, title: 'There is no such thing here', remedy: 'Check the id and the path; what belongs to another merchant is not found either.' },
  method_not_allowed: { status: 405, retryable: false, title: 'This method does not exist here', remedy: 'The Allow header names the methods of this path.' },
  request_timeout: { status: 408, retryable: true, title: 'The request did not arrive in time', remedy: 'Send headers within 10 seconds and the whole request within 30; repeat it with the same Idempotency-Key.' },
  already_sent: { status: 409, retryable: false, title: 'The provider has the payment already', remedy: 'It can no longer be canceled; wait for its end and refund it.' },
  in_review: { status: 409, retryable: false, title: 'The payment is in review', remedy: 'A person decides what becomes of it; its status tells when that is done.' },
  paused: { status: 409, retryable: true, title: 'An operator paused the payment', remedy: 'While it is paused, it is not captured and its provider is not asked; try again when an operator has resumed it. It can still be canceled.' },
  payment_closed: { status: 409, retryable: false, title: 'The payment has ended', remedy: 'See its status; nothing more can be done with it but a refund.' },
  not_authorized: { status: 409, retryable: false, title: 'The payment is not authorized', remedy: 'Only a payment with status authorized can be captured.' },
  capture_refused: { status: 409, retryable: false, title: 'The capture was refused', remedy: 'The detail has the provider’s reason.' },
  not_sent: { status: 409, retryable: true, title: 'The provider does not have it yet', remedy: 'There is nothing to ask about yet; try again in a moment.' },
  not_refundable: { status: 409, retryable: false, title: 'The payment cannot be refunded', remedy: 'The detail says why, and what can be done instead.' },
  not_in_review: { status: 409, retryable: false, title: 'It is not in review', remedy: 'Only what is needs_review can be decided; see its status.' },
  invalid_decision: { status: 409, retryable: false, title: 'The decision cannot be taken', remedy: 'The detail says what it lacks.' },
  already_agreed: { status: 409, retryable: false, title: 'Two operators agreed on it, and it is done', remedy: 'See what is there; ask for something that differs if you want another.' },
  not_replayable: { status: 409, retryable: false, title: 'The callback cannot be delivered', remedy: 'The detail says why; look at its bytes.' },
  not_parked: { status: 409, retryable: false, title: 'The callback is not parked', remedy: 'Only a parked callback can be closed; see its status.' },
  not_readable: { status: 409, retryable: false, title: 'What is kept cannot be opened', remedy: 'Its bytes are damaged or their data key is gone: the log names the row. Bring the key back to MALIPO_DATA_KEYS, or restore the row.' },
  endpoint_off: { status: 409, retryable: false, title: 'The endpoint is switched off', remedy: 'Switch it on (PATCH with active: true), then recover what it lacks.' },
  url_taken: { status: 409, retryable: false, title: 'Another endpoint has this url', remedy: 'Change the endpoint that has it, or delete it first.' },
  limit_reached: { status: 409, retryable: false, title: 'There are as many as there may be', remedy: 'The detail names the limit; make room, such as by revoking what nobody uses.' },
  email_taken: { status: 409, retryable: false, title: 'The address is taken', remedy: 'Change the operator that has it, or use another address.' },
  body_too_large: { status: 413, retryable: false, title: 'The body is too large', remedy: 'Send less; metadata is for references, not for documents.' },
  unsupported_media_type: { status: 415, retryable: false, title: 'The body must be application/json', remedy: 'Send Content-Type: application/json.' },
  idempotency_key_reused: { status: 422, retryable: false, title: 'The key belongs to another request', remedy: 'Repeat the very same request, or use a new key for a new one.' },
  refund_too_much: { status: 422, retryable: false, title: 'More than is left to refund', remedy: 'The detail says how much is left.' },
  provider_inactive: { status: 422, retryable: false, title: 'The provider is switched off', remedy: 'Switch it on in its configuration, or use another provider.' },
  card_number: { status: 422, retryable: false, title: 'Card numbers are not taken', remedy: 'Send a token of the provider, such as pm_… or tok_…; take the number out of your logs as well.' },
  provider_limits: { status: 422, retryable: false, title: 'The provider does not take this', remedy: 'The detail says what the provider takes.' },
  rate_limited: { status: 429, retryable: true, title: 'Too many requests', remedy: 'Wait for as many seconds as Retry-After says; RateLimit tells how many are left.' },
  headers_too_large: { status: 431, retryable: false, title: 'The headers are too large', remedy: 'Send at most 16 KB of path and headers together.' },
  internal_error: { status: 500, retryable: true, title: 'Something of ours went wrong', remedy: 'Repeat the request with the same Idempotency-Key; tell us its request_id.' },
  temporarily_unavailable: { status: 503, retryable: true, title: 'A part of ours is away', remedy: 'Repeat the request with the same Idempotency-Key after Retry-After.' },
} as const satisfies Record<
  string,
  { status: number; retryable: boolean; title: string; remedy: string }
>;

export type ProblemCode = keyof typeof PROBLEMS;

export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}
export const PROBLEM_CODES: readonly ProblemCode[] = Object.keys(PROBLEMS).filter(isProblemCode);

/** One fault: where (a JSON Pointer, RFC 6901, or a header's name) and how to mend it. */
export type Fault = { readonly pointer: string; readonly detail: string };

const AWAY_RETRY_S = 2;

export class ApiError extends Error {
  readonly code: ProblemCode;
  readonly faults: readonly Fault[];
  /** For the header Retry-After; null where waiting mends nothing. */
  readonly retryAfterS: number | null;

  /**
   * @param detail says how to mend it; it is shown to the caller.
   * @param retryAfterS when to come again, where that is known.
   */
  constructor(
    code: ProblemCode,
    detail: string,
    faults: readonly Fault[] = [],
    retryAfterS: number | null = null,
  ) {
    super(detail);
    this.name = 'ApiError';
    this.code = code;
    this.faults = faults;
    this.retryAfterS = retryAfterS ?? (PROBLEMS[code].status === 503 ? AWAY_RETRY_S : null);
  }
}

/** A problem with fields: its detail says of each where it stands and what it takes. */
export function faulty(code: ProblemCode, faults: readonly Fault[]): ApiError {
  const told = faults.map(({ pointer, detail }) => `${pointer || 'body'} ${detail}`);
  return new ApiError(code, told.join('; '), faults);
}

/** For a request that brought no id of its own. */
export function newRequestId(): string {
  return `req_${randomUUID().replaceAll('-', '')}`;
}

const FAULT = z
  .strictObject({
    pointer: z
      .string()
      .describe(
        'Which field or parameter, as a JSON Pointer such as `/amount`; or a header’s name',
      ),
    detail: z.string().describe('What it takes, to follow the pointer in a sentence'),
  })
  .meta({ id: 'FieldError' });
export const problemResponse = z
  .strictObject({
    type: z.url().describe('The address of a page about this problem'),
    title: z.string().describe('What went wrong, the same for each problem of this code'),
    status: z.int().describe('The HTTP status'),
    detail: z.string().describe('What went wrong here and how to correct it, in words'),
    code: z.enum(PROBLEM_CODES).describe('The name of the problem, for programs: decide by this'),
    request_id: z.string().describe('Tell it to us when you ask about this problem'),
    retryable: z
      .boolean()
      .describe('Whether the same request, with the same Idempotency-Key, may succeed later'),
    errors: z.array(FAULT).meta({ description: 'Where it is wrong: a JSON Pointer, or a header' }),
  })
  .meta({ id: 'Problem' });

/** The body of an error answer (RFC 9457); `type` is the address of a page about it. */
export function presentProblem(
  error: ApiError,
  requestId: string,
  publicUrl: string,
): z.input<typeof problemResponse> {
  const { status, title, retryable } = PROBLEMS[error.code];
  return {
    type: `${publicUrl}/problems/${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    request_id: requestId,
    retryable,
    errors: [...error.faults],
  };
}
