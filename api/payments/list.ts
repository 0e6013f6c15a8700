import type { z } from 'zod';
import { hashEmail, hashPhone } from '../../db/customers.ts';
import { listPayments } from '../../db/payments.ts';
import type { Payment } from '../../domain/payment.ts';
import { PROVIDER_NAMES, PROVIDERS } from '../../providers/index.ts';
import type { ApiDeps } from '../deps.ts';
import { faulty } from '../errors.ts';
import { findPage } from '../response.ts';
import { parsePhone, withOddSign } from './phone.ts';
import type { listPaymentsQuery, searchPaymentsQuery } from './schema.ts';

type Searched = Partial<z.output<typeof searchPaymentsQuery>> & {
  /** What people type. */
  readonly referenceInAnyCase?: string | undefined;
};

/**
 * One page of payments, newest first. @param merchantId null: of all merchants.
 * @throws ApiError invalid_request
 */
export async function listPage<T>(
  deps: ApiDeps,
  merchantId: string | null,
  query: z.output<typeof listPaymentsQuery> & Searched,
  present: (payment: Payment) => T,
) {
  const filter = {
    merchantId,
    statuses: query.status ?? [],
    provider: query.provider ?? null,
    phoneHash: query.phone === undefined ? null : hashPhone(deps.vault, toE164(query.phone)),
    emailHash: query.email === undefined ? null : hashEmail(deps.vault, query.email),
    customerId: query.customer_id ?? null,
    reference: query.reference ?? null,
    referenceInAnyCase: query.referenceInAnyCase ?? null,
    amountMinor: query.amount ?? null,
    receipt: query.receipt?.trim() ?? null,
    providerPaymentIds: spellingsOf(deps, query.provider_payment_id),
    createdFrom: query.created_from ?? null,
    createdBefore: query.created_before ?? null,
  };
  return await findPage(
    'payment',
    query,
    (limit, beforeId) => listPayments(deps.pool, { ...filter, beforeId, limit }),
    present,
  );
}

/** As it is, and sealed, which is what rows hold where the provider's ids are personal. */
function spellingsOf({ vault }: ApiDeps, id: string | undefined): readonly string[] | null {
  return id === undefined ? null : [id, vault.sealId(id)];
}

/** A phone in any spelling that some provider takes. */
function toE164(phone: string): string {
  for (const name of PROVIDER_NAMES) {
    const e164 = parsePhone(PROVIDERS[name].capabilities, phone);
    if (e164 !== null) return e164;
  }
  const detail = withOddSign(phone, 'must be a phone number, such as 0712345678 or +254712345678');
  throw faulty('invalid_request', [{ pointer: '/phone', detail }]);
}
