import { FIRST_PREVIOUS_HASH, hashAfter, verifyTrails } from '../../db/audit.ts';
import type { Connection, Pool } from '../../db/pool.ts';
import { sql } from '../../db/sql.ts';

/** By what a row is found, and its times. What is to come (wait_until) stays: a workflow waits. */
// table
const TIMES = {
  payments: ['id', 'created_at', 'updated_at', 'completed_at'],
  attempts: ['id', 'created_at', 'dispatched_at', 'settled_at'],
  refunds: ['id', 'created_at', 'updated_at', 'dispatched_at', 'completed_at'],
  webhook_events: ['id', 'received_at', 'delivered_at', 'applied_at'],
  audit_entries: ['payment_id', 'at'],
  outgoing_events: ['id', 'created_at'],
  deliveries: ['id', 'created_at', 'updated_at'],
  delivery_attempts: ['delivery_id', 'at'],
  merchants: ['id', 'created_at'],
  api_keys: ['id', 'created_at'],
  webhook_endpoints: ['id', 'created_at'],
  webhook_secrets: ['endpoint_id', 'created_at'],
} as const;

/**
 * Moves the payments of these shops into the past, each with its trail by one interval, so that the
 * order and distances inside stay; and the shops to the day before. All or nothing. Only the owner
 * of the tables can: the trigger that keeps audit entries as they were is off meanwhile.
 * @param atMs in the order in which the payments were made.
 */
export function ageTrails(
  owner: Pool,
  shops: readonly string[],
  atMs: readonly number[],
): Promise<void> {
  return owner.transaction(async (db) => {
    // The engine locks a payment before its trail: nobody is in between.
    await db.query(sql.typeAlias('none')`
      LOCK TABLE payments, refunds, webhook_events, audit_entries IN EXCLUSIVE MODE`);
    await db.query(sql.typeAlias('none')`
      CREATE TEMPORARY TABLE moved ON COMMIT DROP AS
      WITH time AS (
        SELECT to_timestamp(ms / 1000) AS at, row_number() OVER (ORDER BY ms) AS place
        FROM unnest(${sql.array([...atMs], 'float8')}) AS ms),
      shop AS (
        SELECT id, created_at - (SELECT min(at) FROM time) + interval '1 day' AS by
        FROM merchants WHERE name = ANY(${sql.array([...shops], 'text')})),
      payment AS (
        SELECT id, created_at, row_number() OVER (ORDER BY id) AS place FROM payments
        WHERE merchant_id IN (SELECT id FROM shop) AND starts_with(idempotency_key, 'seed-')),
      shift AS (
        SELECT id AS payment_id, created_at - at AS by FROM payment JOIN time USING (place)),
      event AS (SELECT id AS event_id, by FROM outgoing_events JOIN shift USING (payment_id))
      SELECT payment_id AS id, by FROM shift
      UNION ALL SELECT id, by FROM attempts JOIN shift USING (payment_id)
      UNION ALL SELECT id, by FROM refunds JOIN shift USING (payment_id)
      UNION ALL SELECT id, by FROM webhook_events JOIN shift USING (payment_id)
      UNION ALL SELECT event_id, by FROM event
      UNION ALL SELECT id, by FROM deliveries JOIN event USING (event_id)
      UNION ALL SELECT id, by FROM shop
      UNION ALL SELECT k.id, by FROM api_keys k JOIN shop ON shop.id = merchant_id
      UNION ALL SELECT w.id, by FROM webhook_endpoints w JOIN shop ON shop.id = merchant_id`);
    const trigger = sql.fragment`TRIGGER audit_entries_append_only`;
    await db.query(sql.typeAlias('none')`ALTER TABLE audit_entries DISABLE ${trigger}`);
    for (const [table, [key, ...columns]] of Object.entries(TIMES)) {
      const nameOf = (column: string) => sql.identifier([table, column]);
      const moves = columns.map((it) => sql.fragment`${sql.identifier([it])} = ${nameOf(it)} - by`);
      await db.query(sql.typeAlias('none')`
        UPDATE ${sql.identifier([table])} SET ${sql.join(moves, sql.fragment`, `)}
        FROM moved WHERE moved.id = ${nameOf(key)}`);
    }
    // So long after its end nobody asks the provider again.
    await db.query(sql.typeAlias('none')`
      UPDATE payments SET look_back_at = NULL FROM moved WHERE moved.id = payments.id`);
    await chainAgain(db);
    await db.query(sql.typeAlias('none')`ALTER TABLE audit_entries ENABLE ${trigger}`);
  });
}

/** Gives the entries the hashes that follow from their new times. */
async function chainAgain(db: Connection): Promise<void> {
  await db.query(sql.typeAlias('none')`
    WITH RECURSIVE chain AS (
      SELECT payment_id, 1 AS place, ${FIRST_PREVIOUS_HASH} AS before,
        ${hashAfter(FIRST_PREVIOUS_HASH)} AS link
      FROM audit_entries WHERE seq = 1 AND payment_id IN (SELECT id FROM moved)
      UNION ALL
      SELECT payment_id, seq, link, ${hashAfter(sql.fragment`link`)}
      FROM chain JOIN audit_entries USING (payment_id) WHERE seq = place + 1)
    UPDATE audit_entries a SET previous_hash = before, hash = link
    FROM chain WHERE chain.payment_id = a.payment_id AND place = seq`);
  const { faults } = await verifyTrails(db, null, 100_000);
  if (faults.length > 0) throw new Error('the trails do not verify; nothing was moved');
}
