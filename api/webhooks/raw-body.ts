import type { IncomingMessage } from 'node:http';
import { ApiError } from '../errors.ts';

const BYTES_MAX = 256 * 1024;
/** Who sends that much does not wait for an answer. */
const BYTES_READ_MAX = 8 * 1024 * 1024;

/** The bytes as they came: signatures and records are about these, not about what they mean. */
export async function readRawBody(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = new ApiError('body_too_large', `a callback may hold ${BYTES_MAX} bytes at most`);
  if (Number(request.headers['content-length'] ?? 0) > BYTES_MAX) throw tooLarge;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes <= BYTES_MAX) chunks.push(buffer);
    if (bytes > BYTES_READ_MAX) break;
  }
  // Only now: with bytes on their way the connection would be reset, and the answer lost with it.
  if (bytes > BYTES_MAX) throw tooLarge;
  return Buffer.concat(chunks);
}
