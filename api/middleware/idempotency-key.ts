import { faulty } from '../errors.ts';
import { refuseCardNumberIn } from './card-number.ts';

const POINTER = 'Idempotency-Key';

/**
 * The key of a request that creates something: 1–255 visible ASCII characters, bare or as a quoted
 * string (draft-ietf-httpapi-idempotency-key-header-07).
 * @throws ApiError saying how to mend it.
 */
export function readIdempotencyKey(header: string): string {
  if (header === '') {
    const detail = 'is missing: send a header with a value that is new for each payment or refund';
    throw faulty('idempotency_key_missing', [{ pointer: POINTER, detail }]);
  }
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header)?.[1];
  const key = quoted === undefined ? header : quoted.replace(/\\(["\\])/g, '$1');
  if (/^[\x21-\x7e]{1,255}$/.test(key) && (quoted !== undefined || !key.startsWith('"'))) {
    refuseCardNumberIn(POINTER, key);
    return key;
  }
  const detail = 'takes 1 to 255 visible ASCII characters without spaces, such as a UUID';
  throw faulty('idempotency_key_malformed', [{ pointer: POINTER, detail }]);
}
