import { z } from 'zod';
import { type Refund, refundableMinor } from '../domain/refund.ts';
import { REFUND_COUNTS_AS, type RefundStatus } from '../domain/refund-states.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

/**
 * Where a refund comes to. One whose reservation gave way to money that had left already
 * (refund-room.ts), and which is told to have succeeded all the same, gave back more than was
 * taken.
 */
export async function placeOf(
  db: Connection,
  refund: Refund,
  to: RefundStatus,
): Promise<RefundStatus> {
  if (to !== 'succeeded' || refund.status !== 'pending' || refund.amountOverMinor === 0) return to;
  return refund.amountMinor <= (await findLeftFor(db, refund)) ? to : 'needs_review';
}

type Moved = {
  readonly overMinor: number;
  readonly details: Readonly<Record<string, number>>;
};

/**
 * Moves the refund's amount from where it counted on the payment to where it counts now. What goes
 * beyond the money that was taken counts nowhere: the refund itself says how much that is, so that
 * payment and refunds together hold all that left.
 */
export async function moveMoney(db: Connection, refund: Refund, to: RefundStatus): Promise<Moved> {
  const [from, now] = [REFUND_COUNTS_AS[refund.status], REFUND_COUNTS_AS[to]];
  const { amountMinor, amountOverMinor } = refund;
  if (from === now) return { overMinor: amountOverMinor, details: {} };
  const sums = await readSums(db, refund.paymentId);
  const before = from === 'nothing' ? 0 : amountMinor - amountOverMinor;
  const leftMinor = before + leftOf(sums);
  const after = now === 'nothing' ? 0 : Math.min(amountMinor, leftMinor);
  const change = (place: 'reserved' | 'refunded') =>
    (now === place ? after : 0) - (from === place ? before : 0);
  await db.query(sql.typeAlias('none')`
    UPDATE payments SET amount_reserved = amount_reserved + ${change('reserved')},
      amount_refunded = amount_refunded + ${change('refunded')}, updated_at = now()
    WHERE id = ${refund.paymentId}`);
  const overMinor = now === 'nothing' ? 0 : amountMinor - after;
  return { overMinor, details: overMinor === 0 ? {} : detailsOfOver(refund, sums, overMinor) };
}

type Sums = z.infer<typeof sumsRow>;

async function readSums(db: Connection, paymentId: string): Promise<Sums> {
  return await db.one(sql.type(sumsRow)`
    SELECT amount_captured, amount_refunded, amount_reserved, amount_disputed FROM payments
    WHERE id = ${paymentId}`);
}

/** How much of a payment neither left nor is reserved. */
export async function findLeft(db: Connection, paymentId: string): Promise<number> {
  return leftOf(await readSums(db, paymentId));
}

/** How much of its payment a refund may give back: what is left, and what it reserved itself. */
export async function findLeftFor(db: Connection, refund: Refund): Promise<number> {
  const isReserved = REFUND_COUNTS_AS[refund.status] === 'reserved';
  const reservedMinor = isReserved ? refund.amountMinor - refund.amountOverMinor : 0;
  return reservedMinor + (await findLeft(db, refund.paymentId));
}

function leftOf(sums: Sums): number {
  return refundableMinor({
    amountCapturedMinor: sums.amount_captured,
    amountRefundedMinor: sums.amount_refunded,
    amountReservedMinor: sums.amount_reserved,
    amountDisputedMinor: sums.amount_disputed,
  });
}

function detailsOfOver({ amountMinor }: Refund, sums: Sums, overMinor: number) {
  return {
    amount: amountMinor,
    amount_over: overMinor,
    amount_captured: sums.amount_captured,
    refunded_before: sums.amount_refunded,
    reserved_before: sums.amount_reserved,
  };
}

const sumsRow = z.object({
  amount_captured: z.int(),
  amount_refunded: z.int(),
  amount_reserved: z.int(),
  amount_disputed: z.int(),
});
