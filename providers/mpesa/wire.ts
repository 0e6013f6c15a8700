import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  listOf,
  neededText,
  numberOrText,
  orNull,
  parseJson,
  textOrEmpty,
  textOrNull,
} from '../shared/wire.ts';

/** Where Daraja does not say; it gives tokens an hour. */
const TOKEN_LIFE_DEFAULT_S = 300;

/**
 * Daraja's messages as they really come: tolerant of additions, of numbers sent as text and of
 * missing parts. Source of each shape: providers/mpesa/fixtures/*.json.
 *
 * A token goes into a header: what a header cannot hold would fail as if it had been sent.
 */
export const tokenAnswer = z.object({
  access_token: z
    .string()
    .trim()
    .regex(/^[\x21-\x7e]+$/),
  expires_in: numberOrText
    .transform(Number)
    .pipe(z.number().positive())
    .catch(TOKEN_LIFE_DEFAULT_S),
});

export const errorAnswer = z.object({ errorCode: neededText, errorMessage: textOrEmpty });

export const faultAnswer = z.object({
  fault: z.object({
    faultstring: textOrEmpty,
    detail: z.object({ errorcode: textOrEmpty }).catch({ errorcode: '' }),
  }),
});

export const pushAnswer = z.object({
  ResponseCode: neededText,
  ResponseDescription: textOrEmpty,
  CheckoutRequestID: textOrNull,
});

export const queryAnswer = z.object({
  MerchantRequestID: textOrNull,
  CheckoutRequestID: neededText,
  ResultCode: neededText,
  ResultDesc: textOrEmpty,
});

const metadata = z.object({ Item: listOf(z.object({ Name: z.string(), Value: textOrNull })) });

export const stkCallback = z.object({
  Body: z.object({
    stkCallback: z.object({
      CheckoutRequestID: neededText,
      ResultCode: neededText,
      ResultDesc: textOrEmpty,
      CallbackMetadata: orNull(metadata),
    }),
  }),
});

/** What Daraja answers to a reversal or a status query; the result comes later. */
export const acknowledgementAnswer = z.object({
  ResponseCode: neededText,
  OriginatorConversationID: textOrNull,
});

/** Failures have no parameters. */
const parameters = z.object({
  ResultParameter: listOf(z.object({ Key: z.string(), Value: textOrNull })),
});
const initiatorResult = z.object({
  Result: z.object({
    ResultCode: neededText,
    ResultDesc: textOrEmpty,
    OriginatorConversationID: neededText,
    TransactionID: textOrNull,
    ResultParameters: orNull(parameters),
  }),
});

export type ReversalRequest = {
  readonly Initiator: string;
  readonly SecurityCredential: string;
  readonly CommandID: 'TransactionReversal';
  readonly TransactionID: string;
  readonly Amount: number;
  readonly ReceiverParty: string;
  /** Spelled so on the wire. */
  readonly RecieverIdentifierType: '11';
  readonly ResultURL: string;
  readonly QueueTimeOutURL: string;
  readonly Remarks: string;
  readonly Occasion: string;
};

export type StatusRequest = {
  readonly Initiator: string;
  readonly SecurityCredential: string;
  readonly CommandID: 'TransactionStatusQuery';
  readonly OriginalConversationID: string;
  readonly PartyA: string;
  readonly IdentifierType: '4';
  readonly ResultURL: string;
  readonly QueueTimeOutURL: string;
  readonly Remarks: string;
  readonly Occasion: string;
};

export type PushRequest = {
  readonly BusinessShortCode: string;
  readonly Password: string;
  readonly Timestamp: string;
  readonly TransactionType: 'CustomerPayBillOnline' | 'CustomerBuyGoodsOnline';
  readonly Amount: number;
  readonly PartyA: string;
  readonly PartyB: string;
  readonly PhoneNumber: string;
  readonly CallBackURL: string;
  readonly AccountReference: string;
  readonly TransactionDesc: string;
};

export type QueryRequest = {
  readonly BusinessShortCode: string;
  readonly Password: string;
  readonly Timestamp: string;
  readonly CheckoutRequestID: string;
};

/** What Daraja is told of each callback, whatever we make of it. */
export const ACCEPTED = { ResultCode: 0, ResultDesc: 'Accepted' } as const;

/** A reversal's or a status query's result. */
export type InitiatorResult = {
  readonly code: string;
  /** Daraja's own words for it; empty when there are none. */
  readonly description: string;
  /** Of the call that is answered. */
  readonly conversation: string;
  /** Null when it names none. */
  readonly transactionId: string | null;
  /** Null when it is not told, or told as nothing; so are the parameters. */
  readonly amount: string | null;
  readonly textOf: (key: string) => string | null;
};

/** Null when the body is no result. */
export function readInitiatorResult(body: Uint8Array): InitiatorResult | null {
  const parsed = initiatorResult.safeParse(parseJson(body));
  if (!parsed.success) return null;
  const { ResultCode, ResultDesc, OriginatorConversationID, TransactionID, ResultParameters } =
    parsed.data.Result;
  const items = new Map(ResultParameters?.ResultParameter.map(({ Key, Value }) => [Key, Value]));
  return {
    code: ResultCode,
    description: ResultDesc,
    conversation: OriginatorConversationID,
    transactionId: TransactionID,
    amount: items.get('Amount') ?? null,
    textOf: (key) => items.get(key) ?? null,
  };
}

/** Names a callback that has no name of its own, and tells nothing of what stands in it. */
export function digestOf(body: string | Uint8Array): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 32);
}
