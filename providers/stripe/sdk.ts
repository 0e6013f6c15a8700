import { Agent as HttpAgent, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import Stripe from 'stripe';
import { ProviderError } from '../../domain/error.ts';
import { TooLongError } from '../../domain/read-capped.ts';
import { ANSWER_BYTES_MAX, isRedirect } from '../shared/http.ts';
import type { StripeCredentials } from './credentials.ts';
import { toProviderError } from './failure.ts';

/** The version whose shapes wire.ts reads; the one the installed SDK is made for. */
export const API_VERSION = '2026-10-28.endive';

/**
 * The official SDK without its own retries: Temporal's are the only ones, under our own keys. A
 * connection for each call, since on a reused one a reset could mean anything.
 */
export function openSdk({ base_url, secret_key }: StripeCredentials): Stripe {
  const { protocol, hostname, port } = new URL(base_url);
  const isPlain = protocol === 'http:';
  return new Stripe(secret_key, {
    apiVersion: API_VERSION,
    maxNetworkRetries: 0,
    telemetry: false,
    protocol: isPlain ? 'http' : 'https',
    host: hostname,
    port: port === '' ? (isPlain ? 80 : 443) : Number(port),
    httpClient: openHttpClient(isPlain),
  });
}

/**
 * The SDK sends again by itself after a reset, also when told not to: a reset must not show. And it
 * reads an answer whole, however long it is and takes, and believes a redirect's body.
 */
function openHttpClient(isPlain: boolean) {
  const agent = isPlain
    ? new HttpAgent({ keepAlive: false })
    : new HttpsAgent({ keepAlive: false });
  const client = Stripe.createNodeHttpClient(agent);
  const makeRequest = client.makeRequest.bind(client);
  client.makeRequest = async (...request) => {
    const timeoutMs = request[7];
    const answer = await makeRequest(...request).catch((cause: unknown) => {
      throw isClosed(cause) ? new Error('the connection was closed', { cause }) : cause;
    });
    const stream = answer.getRawResponse();
    if (!(stream instanceof IncomingMessage)) throw new Error('the answer cannot be read');
    if (isRedirect(answer.getStatusCode())) {
      stream.destroy();
      throw new Error(`a redirect (HTTP ${answer.getStatusCode()}); check base_url`);
    }
    const toJSON = answer.toJSON.bind(answer);
    answer.toJSON = () => {
      capAnswer(stream, timeoutMs);
      return toJSON();
    };
    return answer;
  };
  return client;
}

/** Ends an answer that is too long or too slow; to the SDK the connection was lost then. */
function capAnswer(stream: IncomingMessage, timeoutMs: number): void {
  let bytes = 0;
  stream.on('data', (chunk: string | Buffer) => {
    bytes += Buffer.byteLength(chunk);
    if (bytes > ANSWER_BYTES_MAX) stream.destroy(new TooLongError(ANSWER_BYTES_MAX));
  });
  const tooLate = setTimeout(() => stream.destroy(new Error('no whole answer in time')), timeoutMs);
  stream.once('close', () => clearTimeout(tooLate));
}

function isClosed(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('code' in error)) return false;
  return error.code === 'ECONNRESET' || error.code === 'EPIPE';
}

/**
 * Runs one call of the SDK, which cannot be aborted: an abort leaves it to its timeout.
 * @throws ProviderError, except for what `refusal` makes a result of.
 */
export async function callStripe<T>(
  signal: AbortSignal,
  call: () => Promise<T>,
  refusal: (error: Stripe.errors.StripeError) => T | null | Promise<T | null> = () => null,
): Promise<T> {
  if (signal.aborted)
    throw new ProviderError('ambiguous', 'the call was given up before it was sent');
  try {
    const answering = call().catch(async (error: unknown) => {
      const made = error instanceof Stripe.errors.StripeError ? await refusal(error) : null;
      if (made === null) throw error;
      return made;
    });
    return await Promise.race([answering, aborted(signal)]);
  } catch (error) {
    throw toProviderError(error);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = () => reject(new ProviderError('ambiguous', 'the call was given up'));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
