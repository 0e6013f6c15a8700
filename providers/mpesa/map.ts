import { type Failure, type FailureCode, failure, ProviderError } from '../../domain/error.ts';
import type { Inconclusive, LookupResult, Outcome } from '../../domain/outcome.ts';
import { entryOf } from '../../domain/table.ts';
import { cleanText, quoteProvider } from '../../domain/text.ts';
import type { HttpAnswer } from '../shared/http.ts';
import { errorAnswer, faultAnswer, pushAnswer, queryAnswer } from './wire.ts';

/**
 * What each result code means (callback: number or text; query: text). A code that is not here is
 * unknown and concludes nothing. Sources: providers/mpesa/README.md.
 */
const RESULT_CODES = {
  // table
  '0': { kind: 'succeeded' },
  '1': { kind: 'declined', code: 'insufficient_funds' },
  '2': { kind: 'declined', code: 'amount_refused' },
  '3': { kind: 'declined', code: 'amount_refused' },
  '4': { kind: 'declined', code: 'payer_limit' },
  '8': { kind: 'declined', code: 'payer_limit' },
  '11': { kind: 'declined', code: 'misconfigured' },
  '17': { kind: 'declined', code: 'repeated_too_soon' },
  '21': { kind: 'declined', code: 'misconfigured' },
  '26': { kind: 'declined', code: 'provider_unavailable' },
  '1001': { kind: 'declined', code: 'payer_busy' },
  '1019': { kind: 'declined', code: 'prompt_expired' },
  '1025': { kind: 'declined', code: 'provider_unavailable' },
  '1031': { kind: 'canceled', code: 'payer_canceled' },
  '1032': { kind: 'canceled', code: 'payer_canceled' },
  '1037': { kind: 'declined', code: 'payer_unreachable' },
  '2001': { kind: 'declined', code: 'wrong_pin' },
  '2006': { kind: 'declined', code: 'misconfigured' },
  '2028': { kind: 'declined', code: 'misconfigured' },
  '2040': { kind: 'declined', code: 'misconfigured' },
  '4999': { kind: 'pending' },
  '8006': { kind: 'declined', code: 'declined' },
  '9999': { kind: 'declined', code: 'provider_unavailable' },
  E3008: { kind: 'declined', code: 'declined' },
  SFC_IC0003: { kind: 'declined', code: 'misconfigured' },
} as const satisfies Record<string, ResultMeaning>;

type ResultMeaning =
  | { kind: 'succeeded' | 'pending' }
  | { kind: 'declined' | 'canceled'; code: FailureCode };

/** Where a result stands: which payment at the provider, and what was said of money. */
export type ResultPlace = {
  readonly providerPaymentId: string;
  readonly receipt: string | null;
  readonly money: Outcome['money'];
};

/** A result code of a callback or a query in our words. */
export function readResult(code: string, description: string, place: ResultPlace): LookupResult {
  const meaning = entryOf<ResultMeaning>(RESULT_CODES, code);
  if (meaning === undefined) {
    const message = `unknown ${quoteResult(code, description)}`;
    return { ...inconclusive('unknown', place, code, message), unclear: 'unknown_result' };
  }
  if (meaning.kind === 'pending') {
    return inconclusive('pending', place, code, quoteProvider(description));
  }
  const failed: Failure | null = 'code' in meaning ? failure(meaning.code, code) : null;
  return { kind: meaning.kind, ...place, failure: failed, providerCode: code };
}

/** A code with Daraja's own words: where no table has it, they are all there is to go by. */
export function quoteResult(code: string, description: string): string {
  const words = quoteProvider(description);
  return `result code ${cleanText(code, 40)}${words && `: “${words}”`}`;
}

function inconclusive(
  kind: Inconclusive['kind'],
  place: { readonly providerPaymentId: string },
  providerCode: string,
  message: string,
): Inconclusive {
  return { kind, providerPaymentId: place.providerPaymentId, providerCode, message };
}

type Rejection = {
  readonly code: string;
  readonly message?: RegExp;
  readonly kind: ProviderError['kind'];
  readonly remedy: string;
  readonly retryAfterMs?: number;
  readonly failureCode?: FailureCode;
};

/**
 * What each error answer proves. First match wins; what is not here is ambiguous. 500.001.1001 has
 * several meanings, so its message decides. Sources: providers/mpesa/README.md.
 */
const REJECTIONS: readonly Rejection[] = [
  // table
  {
    code: '400.002.02',
    message: /PartyB/,
    kind: 'misconfigured',
    remedy: 'check transaction_type, till_number and short_code: they do not belong together',
  },
  { code: '400.002.02', kind: 'misconfigured', remedy: 'mend the field that Daraja names' },
  { code: '400.002.05', kind: 'misconfigured', remedy: 'the request has a form Daraja refuses' },
  { code: '404.001.01', kind: 'misconfigured', remedy: 'check base_url and the app’s products' },
  { code: '404.001.04', kind: 'misconfigured', remedy: 'check base_url' },
  { code: '405.001', kind: 'misconfigured', remedy: 'check base_url' },
  {
    code: '500.001.1001',
    message: /merchant does not exist/i,
    kind: 'misconfigured',
    remedy: 'check short_code: Daraja does not know it',
  },
  {
    code: '500.001.1001',
    message: /wrong credentials/i,
    kind: 'misconfigured',
    remedy: 'check passkey and short_code: they do not belong together',
  },
  {
    code: '500.001.1001',
    message: /unable to lock subscriber/i,
    kind: 'unsent',
    remedy: 'the payer has another prompt open',
    retryAfterMs: 60_000,
    failureCode: 'payer_busy',
  },
  {
    code: '500.003.02',
    message: /spike arrest/i,
    kind: 'rate_limited',
    remedy: 'lower rate_limit_per_second',
  },
  { code: '500.003.02', message: /busy/i, kind: 'unsent', remedy: 'Daraja is busy' },
  {
    code: '500.003.03',
    kind: 'rate_limited',
    remedy: 'the app’s quota is used up',
    retryAfterMs: 60_000,
  },
  { code: '500.003.1001', kind: 'ambiguous', remedy: 'Daraja failed inside' },
];

export type PushReading =
  | { readonly kind: 'accepted'; readonly checkoutRequestId: string }
  | { readonly kind: 'declined'; readonly outcome: Outcome };

/**
 * Reads the answer to an STK Push. @throws ProviderError by the table above.
 */
export function readPush(answer: HttpAnswer): PushReading {
  const parsed = pushAnswer.safeParse(answer.json);
  if (answer.status === 200 && parsed.success) {
    const { ResponseCode, ResponseDescription, CheckoutRequestID } = parsed.data;
    if (ResponseCode === '0' && CheckoutRequestID !== null) {
      return { kind: 'accepted', checkoutRequestId: CheckoutRequestID };
    }
    if (ResponseCode !== '0') {
      return { kind: 'declined', outcome: declinedAtOnce(ResponseCode, ResponseDescription) };
    }
  }
  throw rejectionOf(answer);
}

function declinedAtOnce(code: string, description: string): Outcome {
  return {
    kind: 'declined',
    providerPaymentId: null,
    receipt: null,
    money: null,
    failure: failure(
      'declined',
      code,
      `Daraja did not take the request: ${quoteProvider(description)}`,
    ),
    providerCode: code,
  };
}

/** Reads the answer to an STK Query. @throws ProviderError when it answers nothing about ours. */
export function readQuery(answer: HttpAnswer, checkoutRequestId: string): LookupResult {
  const place = { providerPaymentId: checkoutRequestId, receipt: null, money: null };
  const done = queryAnswer.safeParse(answer.json);
  if (answer.status === 200 && done.success) {
    if (done.data.CheckoutRequestID !== checkoutRequestId) {
      throw new ProviderError('ambiguous', 'the status query answered for another payment');
    }
    return readResult(done.data.ResultCode, done.data.ResultDesc, place);
  }
  const error = errorAnswer.safeParse(answer.json);
  if (error.success && isPendingError(error.data.errorCode, error.data.errorMessage)) {
    return inconclusive('pending', place, error.data.errorCode, 'still being processed');
  }
  if (error.success && /Invalid CheckoutRequestID/i.test(error.data.errorMessage)) {
    return inconclusive('unknown', place, error.data.errorCode, 'asked too early, or not known');
  }
  throw rejectionOf(answer);
}

/** One code stands for pending, for not there and for faults; only a configuration's concludes. */
function isPendingError(code: string, message: string): boolean {
  return code === '500.001.1001' && !/wrong credentials|merchant does not exist/i.test(message);
}

/** The error that an unwelcome answer is. */
export function rejectionOf(answer: HttpAnswer): ProviderError {
  const fault = faultAnswer.safeParse(answer.json);
  if (
    answer.status === 429 ||
    (fault.success && /ratelimit/i.test(fault.data.fault.detail.errorcode))
  ) {
    return new ProviderError('rate_limited', 'Daraja: too many requests', {
      providerCode: fault.success ? fault.data.fault.detail.errorcode : '429',
      retryAfterMs: answer.retryAfterMs,
    });
  }
  const error = errorAnswer.safeParse(answer.json);
  if (!error.success) {
    return new ProviderError('ambiguous', `Daraja answered ${answer.status} without a known body`, {
      providerCode: `http_${answer.status}`,
    });
  }
  const { errorCode, errorMessage } = error.data;
  const found = REJECTIONS.find(
    ({ code, message }) =>
      code === errorCode && (message === undefined || message.test(errorMessage)),
  );
  const said = `Daraja: ${quoteProvider(errorMessage)} (${errorCode})`;
  return new ProviderError(found?.kind ?? 'ambiguous', found ? `${said}: ${found.remedy}` : said, {
    providerCode: errorCode,
    retryAfterMs: found?.retryAfterMs ?? answer.retryAfterMs,
    failureCode: found?.failureCode ?? null,
  });
}
