import {
  defineSearchAttributeKey,
  SearchAttributeType,
  type TypedSearchAttributes,
} from '@temporalio/common';
import { formatMoney } from '../domain/money.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { WAITING_FOR } from '../workflows/messages.ts';

/** By what a workflow is found, and told apart from others, from the outside. */
export const SEARCH_ATTRIBUTES = {
  PaymentId: SearchAttributeType.KEYWORD,
  MerchantId: SearchAttributeType.KEYWORD,
  Provider: SearchAttributeType.KEYWORD,
  Currency: SearchAttributeType.KEYWORD,
  AmountMinor: SearchAttributeType.INT,
  [WAITING_FOR.name]: WAITING_FOR.type,
} as const;

const PAYMENT_ID = defineSearchAttributeKey('PaymentId', SearchAttributeType.KEYWORD);
const MERCHANT_ID = defineSearchAttributeKey('MerchantId', SearchAttributeType.KEYWORD);
const PROVIDER = defineSearchAttributeKey('Provider', SearchAttributeType.KEYWORD);
const CURRENCY = defineSearchAttributeKey('Currency', SearchAttributeType.KEYWORD);
const AMOUNT_MINOR = defineSearchAttributeKey('AmountMinor', SearchAttributeType.INT);

type Described = Pick<
  PaymentInput,
  'paymentId' | 'merchantId' | 'provider' | 'currency' | 'amountMinor'
>;

/**
 * What operators see of a workflow in lists; nothing personal. And whose turn it takes: workflows
 * share the worker's queue as calls share a provider's.
 */
export function describePayment(input: Described) {
  const { amountMinor, currency } = input;
  return {
    typedSearchAttributes: [
      { key: PAYMENT_ID, value: input.paymentId },
      { key: MERCHANT_ID, value: input.merchantId },
      { key: PROVIDER, value: input.provider },
      { key: CURRENCY, value: currency },
      { key: AMOUNT_MINOR, value: amountMinor },
    ],
    priority: { fairnessKey: input.merchantId },
    staticSummary: `${formatMoney({ amountMinor, currency })} by ${input.provider}`,
    staticDetails: `Payment ${input.paymentId} of merchant ${input.merchantId}`,
  };
}

/** Whose payment a run is about; undefined where it does not tell. */
export function paymentIdOf({
  typedSearchAttributes,
}: {
  readonly typedSearchAttributes: TypedSearchAttributes;
}): string | undefined {
  return typedSearchAttributes.get(PAYMENT_ID);
}

/** The same for a refund's run. */
export function refundIdOf({
  memo,
}: {
  readonly memo?: Readonly<Record<string, unknown>>;
}): string | undefined {
  return typeof memo?.refundId === 'string' ? memo.refundId : undefined;
}
