/** gRPC's codes of a request that is refused for what it is; the same request stays refused. */
const REFUSALS: ReadonlySet<unknown> = new Set([3, 5, 7, 9, 12, 16]);

/**
 * What Temporal's server said when it refused a request for what it is, such as a search attribute
 * that the namespace lacks; null for anything else, above all for a server that is unavailable.
 */
export function refusalOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if ('code' in error && 'details' in error) {
    return REFUSALS.has(error.code) ? String(error.details) : null;
  }
  return refusalOf(error.cause);
}
