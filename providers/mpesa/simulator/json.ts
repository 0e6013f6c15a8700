import type { IncomingMessage } from 'node:http';
import { isRecord } from './settings.ts';

const BYTES_MAX = 64 * 1024;

/** The body as a JSON object; null when it is none, too long, or not declared as JSON. */
export async function readJson(request: IncomingMessage): Promise<Record<string, unknown> | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const part = Buffer.from(chunk);
    bytes += part.length;
    if (bytes > BYTES_MAX) return null;
    chunks.push(part);
  }
  if (!request.headers['content-type']?.startsWith('application/json')) return null;
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString());
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}
