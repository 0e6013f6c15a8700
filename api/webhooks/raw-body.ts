import type { IncomingMessage } from 'node:http';
import { ApiError } from '../errors.ts';

const BYTES_MAX = 256 * 1024;

/** The bytes as they came: signatures and records are about these, not about what they mean. */
export async function readRawBody(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = new ApiError('body_too_large', `a callback may hold ${BYTES_MAX} bytes at most`);
  if (Number(request.headers['content-length'] ?? 0) > BYTES_MAX) throw tooLarge;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > BYTES_MAX) throw tooLarge;
    chunks.push(buffer);
  }
  return Buffer.concat(chunks);
}
