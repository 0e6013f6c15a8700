import { makeRequestId, transactionDate } from './ids.ts';
import type { Prompt } from './ledger.ts';
import { describeResult } from './rules.ts';

/** What goes back over the wire; a null body is an empty one, a string is sent as HTML. */
export type WireAnswer = {
  readonly status: number;
  readonly body: object | string | null;
  readonly headers?: Readonly<Record<string, string>>;
};

/** Every refusal of Daraja that is documented or was seen, by name. */
const ERRORS = {
  // table
  bad_auth_scheme: [400, '400.008.01', 'Invalid Authentication passed'],
  bad_grant_type: [400, '400.008.02', 'Invalid grant type passed'],
  invalid_token: [404, '404.001.03', 'Invalid Access Token'],
  invalid_token_400: [400, '400.003.01', 'Invalid Access Token'],
  invalid_token_401: [401, '401.002.01', 'Error Occurred - Invalid Access Token'],
  no_token: [404, '404.001.04', 'Invalid Authentication Header'],
  not_found: [404, '404.001.01', 'Resource not found'],
  method: [405, '405.001', 'Method Not Allowed'],
  payload: [400, '400.002.05', 'Invalid Request Payload'],
  merchant_missing: [500, '500.001.1001', 'Merchant does not exist'],
  wrong_credentials: [500, '500.001.1001', 'Wrong credentials'],
  subscriber_locked: [
    500,
    '500.001.1001',
    'Unable to lock subscriber, a transaction is already in process for the current subscriber',
  ],
  being_processed: [500, '500.001.1001', 'The transaction is being processed'],
  does_not_exist: [500, '500.001.1001', 'The transaction does not Exist'],
  system_busy: [500, '500.003.02', 'System is busy. Please try again in few minutes.'],
  spike_arrest: [500, '500.003.02', 'Error Occurred: Spike Arrest Violation'],
  quota: [500, '500.003.03', 'Error Occurred: Quota Violation'],
  unreachable_1001: [500, '500.003.1001', 'Internal Server Error'],
} as const satisfies Record<string, readonly [number, string, string]>;

/** Daraja says nothing at all to a key or secret that it does not know. */
export const WRONG_APP: WireAnswer = { status: 400, body: null };

export type ErrorName = keyof typeof ERRORS;

export function isErrorName(name: string): name is ErrorName {
  return Object.hasOwn(ERRORS, name);
}

export const ERROR_NAMES: readonly ErrorName[] = Object.keys(ERRORS).filter(isErrorName);

export function errorAnswer(name: ErrorName): WireAnswer {
  const [status, errorCode, errorMessage] = ERRORS[name];
  return { status, body: { requestId: makeRequestId(), errorCode, errorMessage } };
}

export function invalidField(field: string): WireAnswer {
  const errorMessage = `Bad Request - Invalid ${field}`;
  return {
    status: 400,
    body: { requestId: makeRequestId(), errorCode: '400.002.02', errorMessage },
  };
}

/** The refusal at Daraja's edge: no requestId, no errorCode. */
export function rateLimited(retryAfterS: number | null): WireAnswer {
  return {
    status: 429,
    headers: retryAfterS === null ? {} : { 'retry-after': String(retryAfterS) },
    body: {
      fault: {
        faultstring:
          'Spike arrest violation. Allowed rate : MessageRate{messagesPerPeriod=5, periodInMicroseconds=60000000, maxBurstMessageCount=1.0}',
        detail: { errorcode: 'policies.ratelimit.SpikeArrestViolation' },
      },
    },
  };
}

export const HTML_PAGE =
  '<html>Request unsuccessful. Incapsula incident ID: 000000000000000000-0000000000</html>';

const ACCEPTED = 'Success. Request accepted for processing';

export function pushAccepted(prompt: Prompt): WireAnswer {
  return {
    status: 200,
    body: {
      MerchantRequestID: prompt.merchant_request_id,
      CheckoutRequestID: prompt.checkout_request_id,
      ResponseCode: '0',
      ResponseDescription: ACCEPTED,
      CustomerMessage: ACCEPTED,
    },
  };
}

export function queryResult(prompt: Prompt, code: string): WireAnswer {
  return {
    status: 200,
    body: {
      ResponseCode: '0',
      ResponseDescription: 'The service request has been accepted successsfully',
      MerchantRequestID: prompt.merchant_request_id,
      CheckoutRequestID: prompt.checkout_request_id,
      ResultCode: code,
      ResultDesc: describeResult(code, 'query'),
    },
  };
}

/** The three ways in which a query says "not yet". */
export function queryPending(prompt: Prompt, shape: '500' | '200' | '4999'): WireAnswer {
  if (shape === '4999') return queryResult(prompt, '4999');
  if (shape === '500') return errorAnswer('being_processed');
  const body = { requestId: makeRequestId(), errorCode: '500.001.1001', errorMessage: '' };
  return { status: 200, body };
}

export type CallbackChanges = {
  readonly amount?: number;
  readonly result_code?: string | number;
  readonly checkout_request_id?: string;
  readonly receipt?: string;
};

/** A callback's body; money and receipt only when it succeeded. */
export function callbackBody(
  prompt: Prompt,
  receipt: string | null,
  isPhoneMasked: boolean,
  changes: CallbackChanges = {},
): object {
  const code = String(changes.result_code ?? prompt.result_code ?? '1037');
  const phone = isPhoneMasked
    ? `${prompt.phone.slice(0, 6)}***${prompt.phone.slice(-3)}`
    : Number(prompt.phone);
  const items = [
    { Name: 'Amount', Value: changes.amount ?? prompt.amount },
    { Name: 'MpesaReceiptNumber', Value: changes.receipt ?? receipt },
    { Name: 'Balance' },
    { Name: 'TransactionDate', Value: transactionDate(Date.now()) },
    { Name: 'PhoneNumber', Value: phone },
  ];
  const stkCallback = {
    MerchantRequestID: prompt.merchant_request_id,
    CheckoutRequestID: changes.checkout_request_id ?? prompt.checkout_request_id,
    ResultCode: /^\d+$/.test(code) ? Number(code) : code,
    ResultDesc: describeResult(code, 'callback'),
    ...(code === '0' ? { CallbackMetadata: { Item: items } } : {}),
  };
  return { Body: { stkCallback } };
}
