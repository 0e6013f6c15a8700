import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { openCustomer, sealCustomer } from '../../db/customers.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { openCredentials, referTo, saveProviderConfig } from '../../db/provider-configs.ts';
import { openCallbackBody } from '../../db/stored-callbacks.ts';
import { createVault, type DataKey, type Vault } from '../../db/vault.ts';
import { openSecrets, rotateSecret } from '../../db/webhook-endpoints.ts';
import { insertWebhookEvent, sealBody } from '../../db/webhook-events.ts';
import type { Payment } from '../../domain/payment.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  dispatch,
  MERCHANT,
  makeWebhookEvent,
  reread,
  storeEndpoint,
  storePayment,
} from '../factories.ts';
import { type RunningScript, runScript, startScript } from './run-script.ts';

/** The script as a person runs it, on a database that is in use. */
const HASH_KEY = randomBytes(32);
const key = (id: string): DataKey => ({ id, key: randomBytes(32) });
const [OLDEST, OLD, NEW] = [key('2024'), key('2025'), key('2026-b')];
const PAYMENTS = 350;

let database: TestDatabase;
beforeEach(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
});
afterEach(() => database.close());

const vaultOf = (...keys: readonly DataKey[]) => createVault(keys, HASH_KEY);
const environmentOf = (...keys: readonly DataKey[]) => ({
  DATABASE_URL: database.appUrl,
  MALIPO_PUBLIC_URL: 'https://pay.example.test',
  MALIPO_HASH_KEY: HASH_KEY.toString('base64'),
  MALIPO_DATA_KEYS: keys
    .map((it) => `${it.id}:${Buffer.from(it.key).toString('base64')}`)
    .join(','),
});
const rotate = (...keys: readonly DataKey[]) =>
  runScript('rotate-keys.ts', [], environmentOf(...keys));

const payerOf = (number: number) => ({
  phone: `+2547000${String(number).padStart(5, '0')}`,
  email: number % 2 === 0 ? `payer-${number}@example.test` : null,
  name: number % 3 === 0 ? `Payer ${number}` : null,
});

function storeSealed(vault: Vault, number: number) {
  const id = newId('payment');
  const customer = sealCustomer(vault, id, { id: null, ...payerOf(number) });
  return storePayment(database.pool, { id, customer });
}

async function storeCallback(vault: Vault, body: string): Promise<string> {
  const id = newId('event');
  const bodyCipher = sealBody(vault, id, Buffer.from(body));
  await insertWebhookEvent(database.pool, makeWebhookEvent({ id, bodyCipher }));
  return id;
}

function saveConfig(vault: Vault, secret: string) {
  return saveProviderConfig(database.pool, vault, {
    merchantId: MERCHANT.id,
    provider: 'stripe',
    environment: 'sandbox',
    active: true,
    policyOverride: {},
    credentials: { secret_key: secret },
    shown: {},
    account: 'sandbox',
  });
}

/** One of everything that is sealed, most of it with `vault`, and what opens it again. */
async function fill(vault: Vault, payments: number) {
  const { pool } = database;
  const stored: Payment[] = [];
  for (let number = 0; number < payments; number += 1) {
    stored.push(await storeSealed(vault, number));
  }
  const callbacks = [await storeCallback(vault, 'the first'), await storeCallback(vault, 'two')];
  const configs = [await saveConfig(vault, 'sk_first'), await saveConfig(vault, 'sk_second')];
  const { endpoint, secret } = await storeEndpoint(pool, {}, vault);
  const secrets = [await rotateSecret(pool, vault, endpoint.id, 3_600_000), secret];
  return async (opener: Vault) => {
    for (const [number, { id }] of stored.entries()) {
      expect(await openCustomer(pool, opener, id)).toEqual(payerOf(number));
    }
    const bodies = await Promise.all(callbacks.map((id) => openCallbackBody(pool, opener, id)));
    expect(bodies.map(String)).toEqual(['the first', 'two']);
    const opened = await Promise.all(
      configs.map((config) => openCredentials(pool, opener, referTo(config))),
    );
    expect(opened).toEqual([{ secret_key: 'sk_first' }, { secret_key: 'sk_second' }]);
    expect(await openSecrets(pool, opener, endpoint.id)).toEqual(secrets);
  };
}

/** How many payments' phones are sealed with a key, read from the ciphertexts themselves. */
async function countPhones(id: string): Promise<number> {
  const [row] = await database.queryAsOwner<{ sealed: number }>(
    `SELECT count(id)::int AS sealed FROM payments
     WHERE substring(phone_cipher FROM 3 FOR length($1)) = convert_to($1, 'LATIN1')`,
    [id],
  );
  return row?.sealed ?? 0;
}

/** Until the script waits for what somebody holds. */
async function untilWaiting(running: RunningScript, held: Held): Promise<void> {
  const ended = running.ended.then((told) => {
    throw new Error(`it ended without waiting: ${JSON.stringify(told)}`);
  });
  while (!(await Promise.race([held.isWaitedFor(), ended]))) await sleep(20);
}

/** A payment's row that somebody changes, without an end until told. */
type Held = { readonly isWaitedFor: () => Promise<boolean>; readonly release: () => Promise<void> };
async function hold(id: string, change: string): Promise<Held> {
  const client = new pg.Client({ connectionString: database.adminUrl });
  await client.connect();
  await client.query('BEGIN');
  await client.query(`UPDATE payments SET ${change} WHERE id = $1`, [id]);
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return {
    // From outside of the transaction, which sees who was connected when it began.
    async isWaitedFor() {
      const waiting = await database.queryAsOwner(
        'SELECT pid FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))',
        [rows[0]?.pid],
      );
      return waiting.length > 0;
    },
    async release() {
      await client.query('COMMIT');
      await client.end();
    },
  };
}

test('killed in the middle and run again, all of it opens with the new key alone', async () => {
  const requireOpen = await fill(vaultOf(OLD), PAYMENTS);
  const ids = await database.queryAsOwner<{ id: string }>('SELECT id FROM payments ORDER BY id');
  const held = await hold(ids.at(-50)?.id ?? '', 'updated_at = updated_at');
  const first = startScript('rotate-keys.ts', [], environmentOf(NEW, OLD));
  await untilWaiting(first, held);
  first.child.kill('SIGKILL');
  expect((await first.ended).signal).toBe('SIGKILL');
  await held.release();
  const half = await countPhones(NEW.id);
  expect(half).toBeGreaterThan(0);
  expect(await countPhones(OLD.id)).toBe(PAYMENTS - half);
  await requireOpen(vaultOf(NEW, OLD));

  const second = await rotate(NEW, OLD);
  expect(second).toMatchObject({ code: 0, stderr: '' });
  expect(second.stdout).toContain(`payments: ${PAYMENTS - half} sealed anew`);
  expect(second.stdout).toContain('webhook_events: 2 sealed anew');
  expect(second.stdout).toContain('provider_credentials: 2 sealed anew');
  expect(second.stdout).toContain('webhook_secrets: 2 sealed anew');
  expect(second.stdout).toContain(`nothing is sealed with ${OLD.id}`);
  await requireOpen(vaultOf(NEW));

  const third = await rotate(NEW);
  expect(third).toMatchObject({ code: 0, stderr: '' });
  expect(third.stdout).toContain('payments: 0 sealed anew');
}, 240_000);

test('beside an engine at work no change is lost, and none of what it seals', async () => {
  const vault = vaultOf(OLD);
  const requireOpen = await fill(vault, 20);
  const payment = await storeSealed(vault, 20);
  const forget = "reference = 'CHANGED', email_cipher = NULL, name_cipher = NULL";
  const held = await hold(payment.id, forget);
  const running = startScript('rotate-keys.ts', [], environmentOf(NEW, OLD));
  await untilWaiting(running, held);
  await dispatch(database.pool, await storeSealed(vaultOf(NEW, OLD), 21));
  await held.release();
  await dispatch(database.pool, payment);
  expect(await running.ended).toMatchObject({ code: 0 });
  const changed = await reread(database.pool, payment);
  expect(changed).toMatchObject({ status: 'processing', reference: 'CHANGED' });
  const left = { phone: payerOf(20).phone, email: null, name: null };
  expect(await openCustomer(database.pool, vaultOf(NEW), payment.id)).toEqual(left);
  await requireOpen(vaultOf(NEW));
}, 240_000);

test('merchants are told nothing of it, and payments look as before', async () => {
  await fill(vaultOf(OLD), 3);
  const look = () =>
    database.queryAsOwner(
      `SELECT p.id, p.updated_at, p.status, (SELECT count(e.id) FROM outgoing_events e
         WHERE e.payment_id = p.id) AS events FROM payments p ORDER BY p.id`,
    );
  const before = await look();
  expect(await rotate(NEW, OLD)).toMatchObject({ code: 0 });
  expect(await look()).toEqual(before);
});

test('a key that is missing is named with what it sealed; it may not be taken out', async () => {
  await fill(vaultOf(OLDEST), 2);
  const [id, payer] = [newId('payment'), { id: null, ...payerOf(3) }];
  const customer = {
    ...sealCustomer(vaultOf(OLD), id, payer),
    nameCipher: sealCustomer(vaultOf(OLDEST), id, payer).nameCipher,
  };
  await storePayment(database.pool, { id, customer });
  const told = await rotate(NEW, OLD);
  expect(told.code).toBe(1);
  expect(told.stdout).toContain(`nothing is sealed with ${OLD.id}`);
  expect(await countPhones(NEW.id)).toBe(1);
  // Two phones, one e-mail address and two names; and what else `fill` seals.
  expect(told.stderr).toContain(`${OLDEST.id} sealed 11 (payments 5, webhook_events 2,`);
  expect(told.stderr).toContain('put it back');
  expect(await rotate(NEW, OLD, OLDEST)).toMatchObject({ code: 0 });
});

test('what was damaged is named and stops nothing else', async () => {
  const vault = vaultOf(OLD);
  const requireOpen = await fill(vault, 2);
  const damaged = await storeSealed(vault, 3);
  await database.queryAsOwner(
    `UPDATE payments SET phone_cipher = set_byte(phone_cipher, 40, get_byte(phone_cipher, 40) # 1)
     WHERE id = $1`,
    [damaged.id],
  );
  const told = await rotate(NEW, OLD);
  expect(told.code).toBe(1);
  expect(told.stderr).toContain(`payments ${damaged.id} does not open`);
  expect(told.stdout).not.toContain(`nothing is sealed with ${OLD.id}`);
  await requireOpen(vaultOf(NEW));
});

test('an environment that lacks something is told by name', async () => {
  const told = await runScript('rotate-keys.ts', [], { DATABASE_URL: database.appUrl });
  expect(told.code).toBe(2);
  expect(told.stderr).toContain('MALIPO_DATA_KEYS: is missing');
  expect(told.stderr).not.toContain('at file:');
});
