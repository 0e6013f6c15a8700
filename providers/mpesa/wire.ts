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

/** The acknowledgement of reversals and status queries. */
export const acknowledgement = z.object({
  ResponseCode: numberOrText,
  OriginatorConversationID: z.string().min(1),
});

/** The result of a reversal or of a status query; failures have no parameters. */
export const initiatorResult = z.object({
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

/** A callback's body; undefined when it is no JSON. */
export function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
}
