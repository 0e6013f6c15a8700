import type { Vault } from '../db/vault.ts';
import type { ProviderClient } from '../domain/provider.ts';

type Ids = Pick<Vault, 'sealId' | 'openId'>;
type Named = { readonly providerPaymentId: string | null };

/**
 * A provider's client whose ids of payments are sealed on our side of it: activities take and give
 * tokens, the provider gets and gives what it knows.
 */
export function withSealedIds(client: ProviderClient, ids: Ids): ProviderClient {
  const capture = client.capture?.bind(client);
  const cancel = client.cancel?.bind(client);
  const refund = client.refund?.bind(client);
  const lookupRefund = client.lookupRefund?.bind(client);
  const learnReceipt = client.learnReceipt?.bind(client);
  const listProviderRefunds = client.listProviderRefunds?.bind(client);
  return {
    charge: async (request, context) => seal(ids, await client.charge(request, context)),
    lookup: async (request, signal) => seal(ids, await client.lookup(open(ids, request), signal)),
    ...(capture && {
      capture: async (request, signal) => seal(ids, await capture(open(ids, request), signal)),
    }),
    ...(cancel && {
      cancel: async (request, signal) => seal(ids, await cancel(open(ids, request), signal)),
    }),
    ...(refund && { refund: (request, context) => refund(open(ids, request), context) }),
    ...(lookupRefund && {
      lookupRefund: (request, signal) => lookupRefund(open(ids, request), signal),
    }),
    ...(learnReceipt && {
      learnReceipt: (request, signal) => learnReceipt(open(ids, request), signal),
    }),
    ...(listProviderRefunds && {
      listProviderRefunds: async (request, signal) => {
        const refunds = await listProviderRefunds(open(ids, request), signal);
        return refunds.map((refund) => seal(ids, refund));
      },
    }),
    close: () => client.close(),
  };
}

function open<R extends Named>(ids: Ids, request: R): R {
  const { providerPaymentId: id } = request;
  return id === null ? request : { ...request, providerPaymentId: ids.openId(id) };
}

function seal<R extends Named>(ids: Ids, result: R): R {
  const { providerPaymentId: id } = result;
  return id === null ? result : { ...result, providerPaymentId: ids.sealId(id) };
}
