/** What an error of the line proves. `code` is the first that is named; null when none is. */
export type LineCause = { readonly code: string | null; readonly isUnsent: boolean };

/** Errors that come before a connection stands: nothing of the request can have been read. */
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
/**
 * The system's own errors prove the same by the call that failed, never by their code: a connection
 * that stands may report an unreachable host, or even a refusal, long after the request was read.
 */
const CONNECTING: ReadonlySet<string> = new Set(['connect', 'getaddrinfo']);

/** Whether a call that threw can have been read by anybody; also of an error that wraps another. */
export function causeOf(error: unknown): LineCause {
  if (!isObject(error)) return { code: null, isUnsent: false };
  if ('code' in error && typeof error.code === 'string') {
    const { code } = error;
    return { code, isUnsent: NEVER_CONNECTED.has(code) || isOfConnecting(error) };
  }
  // Stripe's SDK keeps the connection's own error there.
  if ('detail' in error && isObject(error.detail)) return causeOf(error.detail);
  return causeOf('cause' in error ? error.cause : null);
}

/** A host of several addresses is told of by one error for each. */
function isOfConnecting(error: unknown): boolean {
  if (!isObject(error)) return false;
  if ('syscall' in error) return CONNECTING.has(String(error.syscall));
  const each = 'errors' in error && Array.isArray(error.errors) ? error.errors : [];
  return each.length > 0 && each.every(isOfConnecting);
}

function isObject(it: unknown): it is object {
  return typeof it === 'object' && it !== null;
}

const RETRY_AFTER_MAX_MS = 5 * 60_000;

/**
 * Retry-After in seconds or as a date (RFC 9110 §10.2.3), capped so that nobody can stall us; null
 * for what is neither.
 */
export function readRetryAfter(header: unknown, nowMs: number): number | null {
  if (typeof header !== 'string' || header.trim() === '') return null;
  const seconds = Number(header);
  const ms = Number.isNaN(seconds) ? Date.parse(header) - nowMs : seconds * 1000;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), RETRY_AFTER_MAX_MS) : null;
}
