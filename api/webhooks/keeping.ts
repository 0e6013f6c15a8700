import { createHash } from 'node:crypto';
import type { Translation } from '../../domain/webhook-event.ts';

/** So much is kept of a body that moves no money, as far as it could be read. */
const KEPT_BYTES_MAX = 16 * 1024;

/** What may tell of money is kept to its last byte. */
const IS_WHOLE = {
  event: true,
  refund_event: true,
  dispute: true,
  provider_refund: true,
  ignored: false,
  malformed: false,
} as const satisfies Record<Translation['kind'], boolean>;

/** The bytes that are kept, and what is said of them where those are not all that came. */
export function cutBody(
  kind: Translation['kind'],
  body: Buffer,
): { readonly kept: Buffer; readonly note: string | null } {
  if (IS_WHOLE[kind] || body.length <= KEPT_BYTES_MAX) return { kept: body, note: null };
  const digest = createHash('sha256').update(body).digest('hex');
  const note = `of ${body.length} bytes the first ${KEPT_BYTES_MAX} are kept; SHA-256 ${digest}`;
  return { kept: body.subarray(0, KEPT_BYTES_MAX), note };
}

/** One row for each token or account: whoever can prove a callback can send any number of them. */
const MALFORMED = 'malformed';

/** The key of what nobody can read; its own where it names a workflow by `digest`. */
export function malformedKey(digest: string | null): string {
  return digest === null ? MALFORMED : `${MALFORMED}-${digest}`;
}
