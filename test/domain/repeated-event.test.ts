import type { Payment } from '../../domain/payment.ts';
import type { Refund } from '../../domain/refund.ts';
import { isOldNews, isOldNewsOfRefund } from '../../domain/repeated-event.ts';
import { makeInconclusive, makeNewPayment, makeOutcome } from '../factories.ts';

const { metadata, policy } = makeNewPayment();
const payment: Payment = {
  ...makeNewPayment(),
  attemptOrdinal: 1,
  metadata,
  policy,
  status: 'succeeded',
  amountMinor: 10_000,
  amountCapturedMinor: 10_000,
  amountRefundedMinor: 0,
  amountReservedMinor: 0,
  customerId: null,
  phoneMasked: null,
  emailMasked: null,
  nameMasked: null,
  nextAction: null,
  failureCode: null,
  failureMessage: null,
  isFailureFinal: false,
  providerCode: '0',
  providerPaymentId: 'ws_CO_1',
  earlierProviderIds: [],
  providerReceipt: 'UJ7A1B2C3D',
  reviewReason: null,
  amountDisputedMinor: 0,
  disputes: [],
  unmatchedReceipts: [],
  waitingFor: null,
  waitUntil: null,
  createdAt: '',
  updatedAt: '',
  completedAt: '',
};
const paid = makeOutcome('succeeded');
/** Its first attempt failed as `a`; money came under `b` as well. */
const again: Payment = {
  ...payment,
  earlierProviderIds: ['a'],
  unmatchedReceipts: [
    {
      provider: 'mpesa',
      providerPaymentId: 'b',
      kind: 'succeeded',
      receipt: null,
      money: null,
      eventId: 'evt_1',
      status: 'open',
    },
  ],
};

test.each([
  ['the same success', payment, paid],
  ['a success that names no receipt', payment, { ...paid, receipt: null }],
  ['that it is at it', payment, makeInconclusive('pending')],
  ['that it was held', payment, makeOutcome('authorized')],
  ['a decline of an attempt before', again, { ...makeOutcome('declined'), providerPaymentId: 'a' }],
  ['money beside its own that is known', again, { ...paid, providerPaymentId: 'b' }],
  ['a decline of a failed payment', { ...payment, status: 'failed' }, makeOutcome('declined')],
] as const)('%s is nothing new', (_what, row, event) => {
  expect(isOldNews(row, event)).toBe(true);
});

test.each([
  ['another amount', payment, { ...paid, money: { amountMinor: 9_900, currency: 'KES' } }],
  ['another currency', payment, { ...paid, money: { amountMinor: 10_000, currency: 'USD' } }],
  ['another id', payment, { ...paid, providerPaymentId: 'ws_CO_2' }],
  ['money of an attempt before', again, { ...paid, providerPaymentId: 'a' }],
  ['a hold beside its own money', again, { ...makeOutcome('authorized'), providerPaymentId: 'b' }],
  [
    'a decline under an id that nobody knows',
    again,
    { ...paid, kind: 'declined', providerPaymentId: 'c' },
  ],
  ['a receipt that was not known', { ...payment, providerReceipt: null }, paid],
  ['a decline of a paid payment', payment, makeOutcome('declined')],
  ['money for a failed payment', { ...payment, status: 'failed' }, paid],
  ['what nobody understands', payment, makeInconclusive('unknown')],
] as const)('%s is news', (_what, row, event) => {
  expect(isOldNews(row, event)).toBe(false);
});

const refund: Refund = {
  id: 'ref_1',
  paymentId: payment.id,
  merchantId: payment.merchantId,
  origin: 'malipo',
  idempotencyKey: 'refund-1',
  fingerprint: '',
  workflowId: `refund-${'0'.repeat(32)}`,
  credentialsRef: payment.credentialsRef,
  status: 'succeeded',
  amountMinor: 4_000,
  amountOverMinor: 0,
  currency: 'KES',
  reason: null,
  metadata: {},
  failureCode: null,
  failureMessage: null,
  providerCode: null,
  providerRefundId: 're_1',
  providerReceipt: null,
  reviewReason: null,
  waitingFor: null,
  waitUntil: null,
  createdAt: '',
  updatedAt: '',
  completedAt: '',
};
const given = {
  kind: 'succeeded',
  providerRefundId: 're_1',
  receipt: null,
  amountMinor: 4_000,
  failure: null,
  providerCode: null,
} as const;

test.each([
  ['the same refund', given, true],
  ['a refund that is taken back', { ...given, kind: 'failed' }, false],
  ['another amount', { ...given, amountMinor: 4_001 }, false],
  ['another refund', { ...given, providerRefundId: 're_2' }, false],
  [
    'a receipt that it needs no more',
    {
      kind: 'receipt',
      receipt: 'UJ7A1B2C3D',
      amountMinor: 10_000,
      conversation: null,
      receiver: null,
      providerCode: '0',
      message: 'told',
    },
    true,
  ],
] as const)('of a refund, %s', (_what, event, expected) => {
  expect(isOldNewsOfRefund(refund, event)).toBe(expected);
});
