import { ProviderError } from '../../domain/error.ts';
import { quoteProvider } from '../../domain/text.ts';
import type { HttpAnswer, HttpClient } from '../shared/http.ts';
import type { MpesaCredentials } from './credentials.ts';
import { rejectionOf } from './map.ts';
import { errorAnswer, tokenAnswer } from './wire.ts';

/** Refreshed this long before Daraja lets it lapse. */
const EARLY_MS = 60_000;
const TIMEOUT_MS = 15_000;

export type TokenSource = {
  /**
   * The access token. However many ask at once, one request goes out; who waits longer than it may
   * gives up alone.
   */
  get(signal: AbortSignal, timeoutMs: number): Promise<string>;
  /** Forgets this token, if it is still the one we hold. */
  drop(token: string): void;
};

/** One token for each credential, shared by all calls of this process. */
export function createTokenSource(http: HttpClient, credentials: MpesaCredentials): TokenSource {
  let held: { token: string; goodUntilMs: number } | null = null;
  let pending: Promise<string> | null = null;
  const refresh = async () => {
    const { token, livesMs } = await fetchToken(http, credentials);
    held = { token, goodUntilMs: Date.now() + livesMs - EARLY_MS };
    return token;
  };
  return {
    async get(signal, timeoutMs) {
      if (held !== null && Date.now() < held.goodUntilMs) return held.token;
      pending ??= refresh().finally(() => {
        pending = null;
      });
      return await giveUpAfter(pending, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
    },
    drop(token) {
      if (held?.token === token) held = null;
    },
  };
}

/** @throws ProviderError `unsent`: without a token nothing was asked of Daraja. */
async function giveUpAfter<T>(task: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(new ProviderError('unsent', 'no access token came in time'));
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([task, promise]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

async function fetchToken(http: HttpClient, credentials: MpesaCredentials) {
  const basic = `${credentials.consumer_key}:${credentials.consumer_secret}`;
  const answer = await sendHarmless(http, `Basic ${Buffer.from(basic).toString('base64')}`);
  const parsed = tokenAnswer.safeParse(answer.json);
  if (answer.status !== 200 || !parsed.success) throw tokenRejection(answer);
  return { token: parsed.data.access_token, livesMs: parsed.data.expires_in * 1000 };
}

/** Asking for a token moves no money, so an answer that was lost is as good as unsent. */
async function sendHarmless(http: HttpClient, authorization: string): Promise<HttpAnswer> {
  try {
    return await http.send({
      method: 'GET',
      path: '/oauth/v1/generate?grant_type=client_credentials',
      headers: { authorization },
      body: null,
      timeoutMs: TIMEOUT_MS,
      signal: new AbortController().signal,
    });
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    throw new ProviderError('unsent', error.message, { providerCode: error.providerCode });
  }
}

/** Wrong key or secret is 400 with an empty body, or 400.008.01; the rest may pass by itself. */
function tokenRejection(answer: HttpAnswer): ProviderError {
  const error = errorAnswer.safeParse(answer.json);
  const isRefused = answer.status === 400 || answer.status === 401;
  if (isRefused) {
    const said = error.success
      ? `${quoteProvider(error.data.errorMessage)} (${error.data.errorCode})`
      : 'refused';
    return new ProviderError(
      'misconfigured',
      `Daraja gave no access token: ${said}: check consumer_key, consumer_secret and base_url`,
      { providerCode: error.success ? error.data.errorCode : `http_${answer.status}` },
    );
  }
  const found = rejectionOf(answer);
  const kind = found.kind === 'rate_limited' ? 'rate_limited' : 'unsent';
  return new ProviderError(kind, `no access token: ${found.message}`, {
    providerCode: found.providerCode,
    retryAfterMs: found.retryAfterMs,
  });
}
