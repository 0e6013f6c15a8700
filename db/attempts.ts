import { z } from 'zod';
import { CAPTURE_METHODS, type CaptureMethod } from '../domain/capture.ts';
import type { Customer } from '../domain/provider.ts';
import { openCustomer } from './customers.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';
import type { Vault } from './vault.ts';

const chargeRow = z.object({
  ordinal: z.int(),
  reference: z.string(),
  description: z.string().nullable(),
  payment_method: z.string().nullable(),
  capture_method: z.enum(CAPTURE_METHODS),
  return_url: z.string().nullable(),
});

export type Charge = {
  readonly attemptOrdinal: number;
  readonly reference: string;
  readonly description: string | null;
  readonly paymentMethod: string | null;
  readonly captureMethod: CaptureMethod;
  readonly returnUrl: string | null;
  /** The payer in clear, for the provider's request and nothing else. */
  readonly customer: Customer;
};

/** How long ago an attempt was last dispatched, by the database's clock; null when it never was. */
export async function findSentAgoMs(
  db: Connection,
  { workflowId, attemptOrdinal }: { readonly workflowId: string; readonly attemptOrdinal: number },
): Promise<number | null> {
  const row = await db.maybeOne(sql.type(z.object({ ago_ms: z.int() }))`
    SELECT (extract(epoch FROM now() - a.dispatched_at) * 1000)::bigint AS ago_ms
    FROM attempts a JOIN payments p ON p.id = a.payment_id
    WHERE p.workflow_id = ${workflowId} AND a.ordinal = ${attemptOrdinal}
      AND a.dispatched_at IS NOT NULL`);
  return row?.ago_ms ?? null;
}

/** What a charge needs beyond the workflow's input, which carries nothing personal. */
export async function openCharge(
  db: Connection,
  vault: Vault,
  paymentId: string,
  attemptId: string,
): Promise<Charge> {
  const row = await db.one(sql.type(chargeRow)`
    SELECT a.ordinal, p.reference, p.description, p.payment_method, p.capture_method, p.return_url
    FROM attempts a JOIN payments p ON p.id = a.payment_id
    WHERE a.id = ${attemptId} AND p.id = ${paymentId}`);
  return {
    attemptOrdinal: row.ordinal,
    reference: row.reference,
    description: row.description,
    paymentMethod: row.payment_method,
    captureMethod: row.capture_method,
    returnUrl: row.return_url,
    customer: await openCustomer(db, vault, paymentId),
  };
}
