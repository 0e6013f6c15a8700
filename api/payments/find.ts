import { findPayment } from '../../db/payments.ts';
import { isId } from '../../domain/id.ts';
import type { Payment } from '../../domain/payment.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';

/** A payment of this merchant. @throws ApiError not_found, for another merchant's as well. */
export async function requirePayment(
  { pool }: ApiDeps,
  merchantId: string,
  id: string | undefined,
): Promise<Payment> {
  const isOne = id !== undefined && isId('payment', id);
  const payment = isOne ? await findPayment(pool, merchantId, id) : null;
  if (payment === null) throw new ApiError('not_found', 'no payment of yours has this id');
  return payment;
}
