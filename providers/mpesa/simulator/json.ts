import type { IncomingMessage } from 'node:http';
import { isRecord } from './fields.ts';

const BYTES_MAX = 64 * 1024;

export type JsonBody =
  | { readonly kind: 'object'; readonly value: Record<string, unknown> }
  | { readonly kind: 'empty' | 'undeclared' | 'malformed' };

/** The body as a JSON object; `undeclared` when its content type is not JSON's. */
export async function readJson(request: IncomingMessage): Promise<JsonBody> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const part = Buffer.from(chunk);
    bytes += part.length;
    // Read to its end all the same: to stop here would cut the line before the answer.
    if (bytes <= BYTES_MAX) chunks.push(part);
  }
  if (bytes === 0) return { kind: 'empty' };
  if (!request.headers['content-type']?.startsWith('application/json')) {
    return { kind: 'undeclared' };
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString());
    return isRecord(value) && bytes <= BYTES_MAX
      ? { kind: 'object', value }
      : { kind: 'malformed' };
  } catch {
    return { kind: 'malformed' };
  }
}

/** A field of a request as Daraja reads it: a number is as good as its text. */
export function textOf(body: Record<string, unknown>, field: string): string {
  const value = body[field];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
