import { fromWholeUnits } from '../../domain/money.ts';
import type { ProviderWebhook } from '../../domain/provider.ts';
import type { Translation } from '../../domain/webhook-event.ts';
import { parseJson } from '../shared/wire.ts';
import { readResult } from './map.ts';
import { ACCEPTED, digestOf, stkCallback } from './wire.ts';

/**
 * STK callbacks carry no signature: the token in the URL is their proof, and the money they name is
 * compared with the attempt's before they are believed.
 */
export const webhook: ProviderWebhook = {
  channel: 'stk',
  acknowledgement: ACCEPTED,
  translate,
};

function translate(body: Uint8Array): Translation {
  const parsed = stkCallback.safeParse(parseJson(body));
  if (!parsed.success) {
    const where = parsed.error.issues[0]?.path.join('.');
    return { kind: 'malformed', reason: `not an STK callback: ${where || 'no JSON object'}` };
  }
  const { CheckoutRequestID, ResultCode, ResultDesc, CallbackMetadata } =
    parsed.data.Body.stkCallback;
  const items = new Map(CallbackMetadata?.Item.map(({ Name, Value }) => [Name, Value]));
  const receipt = items.get('MpesaReceiptNumber') ?? null;
  const amount = items.get('Amount') ?? null;
  const payerPhone = items.get('PhoneNumber') ?? null;
  return {
    kind: 'event',
    ...(payerPhone === null ? {} : { payerPhone }),
    // CheckoutRequestIDs end in the payer's phone number, so the key is a digest.
    eventKey: digestOf([CheckoutRequestID, ResultCode, String(receipt), String(amount)].join('|')),
    event: readResult(ResultCode, ResultDesc, {
      providerPaymentId: CheckoutRequestID,
      receipt,
      money: amount === null ? null : moneyOf(amount),
    }),
  };
}

/** An amount that is no number of shillings stays visible as one that matches nothing. */
function moneyOf(amount: string): { amountMinor: number; currency: string } {
  return { amountMinor: fromWholeUnits(Number(amount), 'KES') ?? 0, currency: 'KES' };
}
