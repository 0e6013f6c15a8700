import { Agent, type Dispatcher } from 'undici';
import { ProviderError } from '../../domain/error.ts';
import { causeOf, readRetryAfter } from '../../domain/lost-line.ts';
import { parseJson } from '../shared/wire.ts';

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
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};

export type HttpClient = {
  /** @throws ProviderError `unsent` when no byte can have arrived, else `ambiguous`. */
  send(call: HttpCall): Promise<HttpAnswer>;
  close(): Promise<void>;
};

const BODY_BYTES_MAX = 64 * 1024;
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * HTTP to Daraja. Each call has a connection of its own: on a reused one a reset could mean that
 * the request was never read or that it was, and one of the two would be a second prompt.
 */
export function createHttpClient(baseUrl: string): HttpClient {
  const { origin, pathname } = new URL(baseUrl);
  const prefix = pathname.replace(/\/$/, '');
  const agent = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS }, pipelining: 0 });
  return {
    send: (call) => send(agent, origin, `${prefix}${call.path}`, call),
    close: () => agent.destroy(),
  };
}

async function send(
  agent: Agent,
  origin: string,
  path: string,
  call: HttpCall,
): Promise<HttpAnswer> {
  const deadline = AbortSignal.any([AbortSignal.timeout(call.timeoutMs), call.signal]);
  try {
    const answer = await agent.request({
      origin,
      path,
      method: call.method,
      headers: call.headers,
      body: call.body,
      signal: deadline,
      reset: true,
    });
    return {
      status: answer.statusCode,
      json: parseJson(await readCapped(answer.body)),
      retryAfterMs: readRetryAfter(answer.headers['retry-after'], Date.now()),
    };
  } catch (error) {
    throw toProviderError(error, call.timeoutMs);
  }
}

async function readCapped(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > BODY_BYTES_MAX)
      throw new Error(`the answer is longer than ${BODY_BYTES_MAX} bytes`);
    chunks.push(buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function toProviderError(error: unknown, timeoutMs: number): ProviderError {
  const { code, isUnsent } = causeOf(error);
  if (isUnsent) {
    return new ProviderError('unsent', `Daraja could not be reached (${code})`, {
      providerCode: code,
    });
  }
  const name = error instanceof Error ? error.name : 'unknown';
  const said = name === 'TimeoutError' ? `no answer within ${timeoutMs} ms` : (code ?? name);
  return new ProviderError('ambiguous', `Daraja’s answer was lost: ${said}`, {
    providerCode: code,
  });
}
