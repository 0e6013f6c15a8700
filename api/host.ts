import type { IncomingMessage } from 'node:http';
import { ApiError } from './errors.ts';

/** A name or an address, with or without a port (RFC 9110, 7.2). */
const HOST = /^(\[[\da-f:.]+\]|[\w.~%!$&'()*+;=-]+)(:\d{1,5})?$/i;

/**
 * Node's own refusal of a missing Host has an empty body, and it takes the first of two: what
 * stands before us may have taken the other. Probes that speak HTTP/1.0 name none.
 * @throws ApiError malformed_request (RFC 9112, 3.2).
 */
export function requireHost({ headersDistinct, httpVersion }: IncomingMessage): void {
  const [host, ...others] = headersDistinct.host ?? [];
  if (others.length > 0) throw new ApiError('malformed_request', 'there are several Host headers');
  if (host === undefined || host === '') {
    if (httpVersion === '1.0') return;
    throw new ApiError('malformed_request', 'the Host header is missing');
  }
  if (!HOST.test(host)) throw new ApiError('malformed_request', 'the Host header is no host');
}
