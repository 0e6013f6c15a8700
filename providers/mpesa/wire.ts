import { createHash } from 'node:crypto';
import { z } from 'zod';

/**
 * Daraja's messages as they really come: tolerant of additions, of numbers sent as text and of
 * missing parts. Source of each shape: providers/mpesa/fixtures/*.json.
 */
const numberOrText = z.union([z.string(), z.number()]).transform(String);

export const tokenAnswer = z.object({
  access_token: z.string().min(1),
  expires_in: z.union([z.string(), z.number()]).transform(Number).pipe(z.number().positive()),
});

export const errorAnswer = z.object({ errorCode: z.string(), errorMessage: z.string().catch('') });

export const faultAnswer = z.object({
  fault: z.object({
    faultstring: z.string().catch(''),
    detail: z.object({ errorcode: z.string() }),
  }),
});

export const pushAnswer = z.object({
  ResponseCode: numberOrText,
  ResponseDescription: z.string().catch(''),
  CheckoutRequestID: z.string().min(1).optional(),
});

export const queryAnswer = z.object({
  MerchantRequestID: z.string().min(1).optional(),
  CheckoutRequestID: z.string(),
  ResultCode: numberOrText,
  ResultDesc: z.string().catch(''),
});

const callbackItem = z.object({
  Name: z.string(),
  Value: z.union([z.string(), z.number()]).nullish(),
});

export const stkCallback = z.object({
  Body: z.object({
    stkCallback: z.object({
      CheckoutRequestID: z.string().min(1),
      ResultCode: numberOrText,
      ResultDesc: z.string().catch(''),
      CallbackMetadata: z.object({ Item: z.array(callbackItem) }).nullish(),
    }),
  }),
});

/** What Daraja answers to a reversal or a status query; the result comes later. */
export const acknowledgementAnswer = z.object({
  ResponseCode: numberOrText,
  OriginatorConversationID: z.string().min(1),
});

/** Failures have no parameters. */
const initiatorResult = z.object({
  Result: z.object({
    ResultCode: numberOrText,
    OriginatorConversationID: z.string().min(1),
    TransactionID: z.string(),
    ResultParameters: z
      .object({
        ResultParameter: z.array(
          z.object({ Key: z.string(), Value: z.union([z.string(), z.number()]).nullish() }),
        ),
      })
      .optional(),
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
  /** Of the call that is answered. */
  readonly conversation: string;
  /** Null when it names none. */
  readonly transactionId: string | null;
  readonly amount: string | number | null;
  /** A parameter by its name; null when it is not told, or told as nothing. */
  readonly textOf: (key: string) => string | null;
};

/** Null when the body is no result. */
export function readInitiatorResult(body: Uint8Array): InitiatorResult | null {
  const parsed = initiatorResult.safeParse(parseJson(body));
  if (!parsed.success) return null;
  const { ResultCode, OriginatorConversationID, TransactionID, ResultParameters } =
    parsed.data.Result;
  const items = new Map(ResultParameters?.ResultParameter.map(({ Key, Value }) => [Key, Value]));
  return {
    code: ResultCode,
    conversation: OriginatorConversationID,
    transactionId: textOrNull(TransactionID),
    amount: items.get('Amount') ?? null,
    textOf: (key) => textOrNull(items.get(key)),
  };
}

/** What is empty was not told: an empty receipt would pass for one. */
export function textOrNull(value: string | number | null | undefined): string | null {
  return String(value ?? '').trim() || null;
}

/** Names a callback that has no name of its own, and tells nothing of what stands in it. */
export function digestOf(body: string | Uint8Array): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 32);
}

/** A callback's body; undefined when it is no JSON. */
export function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
}
