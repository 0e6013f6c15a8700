import type { CardProvider } from './cards.ts';
import type { PaymentBody, Stack } from './stack.ts';

type Step = readonly [text: string, values: readonly unknown[]];

/** Runs this as the owner, past triggers and keys, as a backup that is put back. */
async function asRestore(stack: Stack, steps: readonly Step[]): Promise<void> {
  const db = await stack.db.connect();
  try {
    await db.query('BEGIN');
    await db.query("SET LOCAL session_replication_role = 'replica'");
    for (const [text, values] of steps) await db.query(text, [...values]);
    await db.query('COMMIT');
  } finally {
    db.release();
  }
}

/** The database as it was before the payment came. */
export async function forgetPayment(stack: Stack, { id }: Pick<PaymentBody, 'id'>): Promise<void> {
  const of = (table: string): Step => [`DELETE FROM ${table} WHERE payment_id = $1`, [id]];
  await asRestore(stack, [
    ...['outgoing_events', 'webhook_events', 'audit_entries', 'attempts', 'refunds'].map(of),
    ['DELETE FROM payments WHERE id = $1', [id]],
  ]);
}

/** The database as it was when the payment was stored, and nothing of it was sent yet. */
export async function forgetSend(stack: Stack, { id }: Pick<PaymentBody, 'id'>): Promise<void> {
  await asRestore(stack, [
    [
      `UPDATE payments SET status = 'created', amount_captured = 0, provider_payment_id = NULL,
         provider_receipt = NULL, provider_code = NULL, waiting_for = NULL, wait_until = NULL,
         completed_at = NULL, updated_at = now() - interval '1 minute' WHERE id = $1`,
      [id],
    ],
    [
      `UPDATE attempts SET status = 'prepared', dispatch_count = 0, dispatch_nonce = NULL,
         dispatched_at = NULL, settled_at = NULL, provider_payment_id = NULL
       WHERE payment_id = $1`,
      [id],
    ],
    ["DELETE FROM audit_entries WHERE payment_id = $1 AND key <> 'created'", [id]],
  ]);
}

/** How many charges of this workflow the simulator's own ledger holds. */
export async function countCharges(
  stack: Stack,
  provider: CardProvider,
  { workflow }: PaymentBody,
): Promise<number> {
  const ledger: unknown = await stack.control(provider, 'GET', 'ledger');
  const { intents = [], charges = [] }: Ledger = Object.assign({}, ledger);
  const [list, name] = provider === 'stripe' ? [intents, 'malipo_workflow'] : [charges, 'workflow'];
  return list.filter(({ metadata }) => metadata[name] === workflow.id).length;
}

type Marked = { readonly metadata: Readonly<Record<string, string>> };
type Ledger = { readonly intents?: readonly Marked[]; readonly charges?: readonly Marked[] };
