/** Everything the API may say no with. One record, exhaustive; the codes are part of the API. */
export const PROBLEMS = {
  // table
  invalid_request: { status: 400, title: 'The request is not valid', retryable: false },
  malformed_json: { status: 400, title: 'The body is not JSON', retryable: false },
  idempotency_key_missing: { status: 400, title: 'Idempotency-Key is missing', retryable: false },
  idempotency_key_malformed: {
    status: 400,
    title: 'Idempotency-Key is malformed',
    retryable: false,
  },
  unauthorized: { status: 401, title: 'The API key is missing or not valid', retryable: false },
  sign_in_refused: { status: 401, title: 'Signing in failed', retryable: false },
  email_taken: { status: 409, title: 'The address is taken', retryable: false },
  rate_limited: { status: 429, title: 'Too many requests', retryable: true },
  forbidden: { status: 403, title: 'This is not yours to do', retryable: false },
  not_found: { status: 404, title: 'There is no such thing here', retryable: false },
  method_not_allowed: { status: 405, title: 'This method does not exist here', retryable: false },
  already_sent: { status: 409, title: 'The provider has the payment already', retryable: false },
  payment_closed: { status: 409, title: 'The payment has ended', retryable: false },
  not_authorized: { status: 409, title: 'The payment is not authorized', retryable: false },
  capture_refused: { status: 409, title: 'The capture was refused', retryable: false },
  not_sent: { status: 409, title: 'The provider does not have it yet', retryable: true },
  not_refundable: { status: 409, title: 'The payment cannot be refunded', retryable: false },
  webhook_refused: { status: 401, title: 'The callback is not proven', retryable: false },
  body_too_large: { status: 413, title: 'The body is too large', retryable: false },
  unsupported_media_type: {
    status: 415,
    title: 'The body must be application/json',
    retryable: false,
  },
  idempotency_key_reused: {
    status: 422,
    title: 'The key belongs to another request',
    retryable: false,
  },
  refund_too_much: { status: 422, title: 'More than is left to refund', retryable: false },
  provider_inactive: { status: 422, title: 'The provider is switched off', retryable: false },
  card_number: { status: 422, title: 'Card numbers are not taken', retryable: false },
  provider_limits: { status: 422, title: 'The provider does not take this', retryable: false },
  internal_error: { status: 500, title: 'Something of ours went wrong', retryable: true },
  temporarily_unavailable: { status: 503, title: 'A part of ours is away', retryable: true },
} as const satisfies Record<string, { status: number; title: string; retryable: boolean }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** One fault: where (a JSON Pointer, RFC 6901, or a header's name) and how to mend it. */
export type Fault = { readonly pointer: string; readonly detail: string };

export class ApiError extends Error {
  readonly code: ProblemCode;
  readonly faults: readonly Fault[];

  /** @param detail says how to mend it; it is shown to the caller. */
  constructor(code: ProblemCode, detail: string, faults: readonly Fault[] = []) {
    super(detail);
    this.name = 'ApiError';
    this.code = code;
    this.faults = faults;
  }
}

/** The body of an error answer (RFC 9457). */
export function presentProblem(error: ApiError, requestId: string) {
  const { status, title, retryable } = PROBLEMS[error.code];
  return {
    type: `urn:malipo:problem:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    request_id: requestId,
    retryable,
    errors: error.faults,
  };
}
