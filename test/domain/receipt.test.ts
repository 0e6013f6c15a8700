import { receiptNeedOf } from '../../domain/provider.ts';

const BY_RECEIPT = { refund_needs: 'provider_receipt' } as const;

// table
it.each([
  ['by the provider’s id', { refund_needs: 'provider_payment_id' }, null, 'met'],
  ['by a receipt that is known', BY_RECEIPT, 'UJ7A1B2C3D', 'met'],
  ['by one that can be asked for', { ...BY_RECEIPT, learns_receipts: true }, null, 'learn'],
  ['by one that nobody can be asked for', BY_RECEIPT, null, 'missing'],
] as const)('a refund %s', (_what, can, receipt, need) => {
  expect(receiptNeedOf(can, receipt)).toBe(need);
});
