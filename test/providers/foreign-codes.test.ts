import { readCharge, readRefund } from '../../providers/cpay/map.ts';
import { reversalWebhooks } from '../../providers/mpesa/reversal-webhook.ts';
import { readDecline, readRefundFailure } from '../../providers/stripe/map.ts';

/** Codes come over the wire: these are names that every object of JavaScript has. */
const NAMES = ['constructor', 'toString', '__proto__', 'hasOwnProperty'];

const charge = {
  id: 'ch_1',
  object: 'charge' as const,
  metadata: {},
  status: 'declined' as const,
  amount: 100,
  amount_captured: 0,
  currency: 'KES',
  receipt: null,
};
const refund = {
  id: 're_1',
  object: 'refund' as const,
  charge: 'ch_1',
  status: 'failed' as const,
  amount: 100,
  currency: 'KES',
  metadata: {},
};
const error = { type: 'card_error', code: null, advice_code: null };

describe.each(NAMES)('the code %s, which no provider documents', (code) => {
  it('is a plain decline at CPay', () => {
    expect(readCharge({ ...charge, decline_code: code })).toMatchObject({
      failure: { code: 'declined', providerCode: code },
    });
    expect(readRefund({ ...refund, failure_code: code })).toMatchObject({
      failure: { code: 'declined', providerCode: code },
    });
  });

  it('is a plain decline at Stripe', () => {
    expect(readDecline({ ...error, decline_code: code }, 'pi_1')).toMatchObject({
      failure: { code: 'declined', providerCode: code },
    });
    expect(readRefundFailure(code, 're_1', 100)).toMatchObject({
      failure: { code: 'declined', providerCode: code },
    });
  });

  it('tells nothing definite of a reversal', () => {
    const [result] = reversalWebhooks;
    const body = {
      Result: {
        ResultCode: code,
        ResultDesc: 'said so',
        OriginatorConversationID: 'oc_1',
        ConversationID: 'c_1',
        TransactionID: 'T1',
      },
    };
    const said = result?.translate(Buffer.from(JSON.stringify(body)));
    expect(said).toMatchObject({ kind: 'refund_event', event: { kind: 'unknown' } });
  });
});
