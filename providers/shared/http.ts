import { Agent } from 'undici';
import { ProviderError } from '../../domain/error.ts';
import { causeOf, readRetryAfter } from '../../domain/network-error.ts';
import { readCapped } from '../../domain/read-capped.ts';
import { parseJson } from './wire.ts';

/** An answer read to its end. `json` is undefined when the body is none. */
export type HttpAnswer = {
  readonly status: number;
  readonly json: unknown;
  readonly retryAfterMs: number | null;
};

export type HttpCall = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** For the whole of it, to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};

export type HttpClient = {
  /** @throws ProviderError `unsent` when no byte can have arrived, else `ambiguous`. */
  send(call: HttpCall): Promise<HttpAnswer>;
  close(): Promise<void>;
};

/** A hundred entries of the longest list take some 300 KB. More than this is no answer to us. */
export const ANSWER_BYTES_MAX = 1024 * 1024;
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * HTTP to a provider: the one way there, but for a provider's own SDK. Each call has a connection
 * of its own: on a reused one a reset could mean that the request was never read or that it was,
 * and one of the two would be a second charge. An answer that is too long, too slow, or a redirect
 * comes after the request was read: what became of it is unknown.
 * @param provider as errors name it.
 */
export function createHttpClient(provider: string, baseUrl: string): HttpClient {
  const { origin, pathname } = new URL(baseUrl);
  const prefix = pathname.replace(/\/$/, '');
  const agent = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS }, pipelining: 0 });
  return {
    async send(call) {
      const answer = await exchange(agent, origin, `${prefix}${call.path}`, call).catch(
        (error: unknown) => {
          throw toProviderError(provider, error, call.timeoutMs);
        },
      );
      if (isRedirect(answer.status)) throw redirected(provider, answer.status);
      return answer;
    },
    close: () => agent.destroy(),
  };
}

async function exchange(
  agent: Agent,
  origin: string,
  path: string,
  { method, headers, body, timeoutMs, signal }: HttpCall,
): Promise<HttpAnswer> {
  const answer = await agent.request({
    origin,
    path,
    method,
    headers,
    body,
    signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), signal]),
    reset: true,
  });
  return {
    status: answer.statusCode,
    json: parseJson(await readCapped(answer.body, ANSWER_BYTES_MAX)),
    retryAfterMs: readRetryAfter(answer.headers['retry-after'], Date.now()),
  };
}

/** We follow none: the place it names was never configured, and the request may count twice. */
export function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

function redirected(provider: string, status: number): ProviderError {
  const message = `${provider}’s answer was lost: a redirect (HTTP ${status}); check base_url`;
  return new ProviderError('ambiguous', message, { providerCode: `http_${status}` });
}

function toProviderError(provider: string, error: unknown, timeoutMs: number): ProviderError {
  const { code, isUnsent } = causeOf(error);
  if (isUnsent) {
    return new ProviderError('unsent', `${provider} could not be reached (${code})`, {
      providerCode: code,
    });
  }
  const name = error instanceof Error ? error.name : 'unknown';
  const said = name === 'TimeoutError' ? `no answer within ${timeoutMs} ms` : (code ?? name);
  return new ProviderError('ambiguous', `${provider}’s answer was lost: ${said}`, {
    providerCode: code,
  });
}
