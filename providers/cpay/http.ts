import { Agent } from 'undici';
import type { z } from 'zod';
import { ProviderError } from '../../domain/error.ts';
import { causeOf, readRetryAfter } from '../../domain/lost-line.ts';
import { parseJson } from '../shared/wire.ts';
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

const CONNECT_TIMEOUT_MS = 5_000;

/** HTTP to CPay. A connection for each call: once reused, a reset means nothing. */
export function openHttp({ base_url, api_key }: CPayCredentials): Http {
  const agent = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS }, pipelining: 0 });
  return {
    async send(call, shape) {
      const { status, body, retryAfterMs } = await exchange(agent, base_url, api_key, call);
      const parsed = shape.safeParse(body);
      if (status < 300 && parsed.success) return parsed.data;
      throw readRefusal(status < 300 ? 502 : status, body, retryAfterMs);
    },
    close: () => agent.destroy(),
  };
}

async function exchange(agent: Agent, baseUrl: string, apiKey: string, call: Call) {
  const { origin, pathname } = new URL(baseUrl);
  try {
    const answer = await agent.request({
      origin,
      path: `${pathname.replace(/\/$/, '')}${call.path}`,
      method: call.method,
      headers: {
        authorization: `Bearer ${apiKey}`,
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(call.idempotencyKey === undefined ? {} : { 'idempotency-key': call.idempotencyKey }),
      },
      body: call.body === undefined ? null : JSON.stringify(call.body),
      signal: AbortSignal.any([AbortSignal.timeout(call.timeoutMs), call.signal]),
      reset: true,
    });
    const body = parseJson(await answer.body.text());
    return {
      status: answer.statusCode,
      body,
      retryAfterMs: readRetryAfter(answer.headers['retry-after'], Date.now()),
    };
  } catch (error) {
    throw toProviderError(error);
  }
}

function toProviderError(error: unknown): ProviderError {
  const { code, isUnsent } = causeOf(error);
  const name = code ?? (error instanceof Error ? error.name : 'unknown');
  const message = isUnsent
    ? `CPay could not be reached (${name})`
    : `CPay’s answer was lost (${name})`;
  return new ProviderError(isUnsent ? 'unsent' : 'ambiguous', message, { providerCode: code });
}
