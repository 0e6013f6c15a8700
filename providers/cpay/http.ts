import type { z } from 'zod';
import { createHttpClient } from '../shared/http.ts';
import type { CPayCredentials } from './credentials.ts';
import { readRefusal } from './map.ts';

export type Call = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
  /** On POSTs: CPay answers the same again instead of doing it twice. */
  readonly idempotencyKey?: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};
export type Http = {
  /** @throws ProviderError for anything but an answer of this shape. */
  send<T>(call: Call, shape: z.ZodType<T>): Promise<T>;
  close(): Promise<void>;
};

/** HTTP to CPay, with its key, and what its answers mean. */
export function openHttp({ base_url, api_key }: CPayCredentials): Http {
  const http = createHttpClient('CPay', base_url);
  return {
    async send({ body, idempotencyKey, ...call }, shape) {
      const { status, json, retryAfterMs } = await http.send({
        ...call,
        headers: {
          authorization: `Bearer ${api_key}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        },
        body: body === undefined ? null : JSON.stringify(body),
      });
      const parsed = shape.safeParse(json);
      if (status < 300 && parsed.success) return parsed.data;
      throw readRefusal(status < 300 ? 502 : status, json, retryAfterMs);
    },
    close: () => http.close(),
  };
}
