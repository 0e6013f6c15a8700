import { CODE_MAX, MESSAGE_MAX, ProviderError } from '../domain/error.ts';
import type { ProviderClient } from '../domain/provider.ts';
import { cleanText, isStorable } from '../domain/text.ts';

/** The texts of an answer, whichever they are; the rest of it is numbers and words of our own. */
type Answer = {
  readonly kind?: string;
  readonly providerPaymentId?: string | null;
  readonly providerRefundId?: string | null;
  readonly nextAction?: { readonly type: string; readonly url: string };
  readonly receipt?: string | null;
  readonly providerCode?: string | null;
  readonly message?: string;
  readonly failure?: {
    readonly message: string;
    readonly providerCode: string | null;
  } | null;
};

/**
 * A provider's client whose answers can be written down: PostgreSQL takes no NUL and Temporal no
 * half of a character, so one of them in a message would stop its payment for ever. Messages and
 * codes are cleaned, a receipt that cannot be kept was not told, and an answer whose id cannot be
 * kept is no answer.
 */
export function withCleanAnswers(client: ProviderClient): ProviderClient {
  const capture = client.capture?.bind(client);
  const cancel = client.cancel?.bind(client);
  const refund = client.refund?.bind(client);
  const lookupRefund = client.lookupRefund?.bind(client);
  const learnReceipt = client.learnReceipt?.bind(client);
  const listProviderRefunds = client.listProviderRefunds?.bind(client);
  return {
    charge: async (request, context) => clean(await client.charge(request, context)),
    lookup: async (request, signal) => clean(await client.lookup(request, signal)),
    ...(capture && { capture: async (request, signal) => clean(await capture(request, signal)) }),
    ...(cancel && { cancel: async (request, signal) => clean(await cancel(request, signal)) }),
    ...(refund && { refund: async (request, context) => clean(await refund(request, context)) }),
    ...(lookupRefund && {
      lookupRefund: async (request, signal) => clean(await lookupRefund(request, signal)),
    }),
    ...(learnReceipt && {
      learnReceipt: async (request, signal) => clean(await learnReceipt(request, signal)),
    }),
    ...(listProviderRefunds && {
      listProviderRefunds: async (request, signal) => {
        const refunds = await listProviderRefunds(request, signal);
        return refunds.map((it) => ({ ...clean(it), result: clean(it.result) }));
      },
    }),
    close: () => client.close(),
  };
}

function clean<A extends Answer>(answer: A): A {
  const { providerPaymentId, providerRefundId, nextAction, receipt, message, failure } = answer;
  if (![providerPaymentId, providerRefundId, nextAction].every(isStorable)) {
    throw new ProviderError('ambiguous', 'the answer names an id that cannot be kept');
  }
  return {
    ...answer,
    ...cleanCode(answer),
    ...(message === undefined ? {} : { message: cleanText(message, MESSAGE_MAX) }),
    ...(isStorable(receipt) ? {} : { receipt: null }),
    ...(failure ? { failure: { ...failure, ...cleanFailure(failure) } } : {}),
  };
}

function cleanCode({ providerCode }: { readonly providerCode?: string | null }) {
  return typeof providerCode === 'string'
    ? { providerCode: cleanText(providerCode, CODE_MAX) }
    : {};
}

function cleanFailure(failure: NonNullable<Answer['failure']>) {
  return { message: cleanText(failure.message, MESSAGE_MAX), ...cleanCode(failure) };
}
