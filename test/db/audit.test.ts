import pg from 'pg';
import { listBrokenLinks } from '../../db/audit.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { createVault } from '../../db/vault.ts';
import { openBody, sealBody } from '../../db/webhook-events.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';

let database: TestDatabase;
let owner: pg.Client;
beforeAll(async () => {
  database = await openTestDatabase();
  owner = new pg.Client({ connectionString: database.adminUrl });
  await owner.connect();
  await ensureMerchant(database.pool, { id: 'mer_1', name: 'Shop' });
  await owner.query(`INSERT INTO payments (id, merchant_id, idempotency_key, fingerprint,
    workflow_id, attempt_id, status, provider, credentials_ref, amount, currency, capture_method,
    reference, policy)
    VALUES ('pay_1', 'mer_1', 'k', 'f', 'w', 'att_1', 'created', 'mpesa', 'env:mpesa', 100, 'KES',
    'automatic', 'R', '{}')`);
  for (const key of ['a', 'b', 'c']) {
    await owner.query(
      `INSERT INTO audit_entries (id, payment_id, key, action, actor, cause)
       VALUES ($1, 'pay_1', $1, 'payment.created', 'merchant', 'test')`,
      [key],
    );
  }
});
afterAll(async () => {
  await owner.end();
  await database.close();
});

describe('the audit trail', () => {
  it('numbers its entries and verifies', async () => {
    const { rows } = await owner.query('SELECT seq FROM audit_entries ORDER BY seq');
    expect(rows).toEqual([{ seq: 1 }, { seq: 2 }, { seq: 3 }]);
    expect(await listBrokenLinks(database.pool, 'pay_1')).toEqual([]);
  });

  it.each([
    `UPDATE audit_entries SET cause = 'x'`,
    'DELETE FROM audit_entries',
    'TRUNCATE audit_entries',
  ])('refuses its own owner: %s', async (statement) => {
    await expect(owner.query(statement)).rejects.toThrow('append-only');
  });

  it('shows a change made behind the trigger’s back', async () => {
    await owner.query('ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_append_only');
    await owner.query(`UPDATE audit_entries SET cause = 'other' WHERE seq = 2`);
    await owner.query('ALTER TABLE audit_entries ENABLE TRIGGER audit_entries_append_only');
    expect(await listBrokenLinks(database.pool, 'pay_1')).toEqual([2]);
  });
});

describe('the body of a callback', () => {
  it('is sealed to its event and opens byte for byte', () => {
    const key = Buffer.alloc(32, 7);
    const vault = createVault([{ id: 'k1', key }], key);
    const body = Buffer.from([0, 255, 10, 34]);
    const sealed = Buffer.from(sealBody(vault, 'evt_1', body), 'base64');
    expect(openBody(vault, 'evt_1', sealed)).toEqual(body);
    expect(() => openBody(vault, 'evt_2', sealed)).toThrow();
  });
});
