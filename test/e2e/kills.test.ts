import { setTimeout as sleep } from 'node:timers/promises';
import { approve, untilCalledBack, untilPrompted, untilThere } from './handset.ts';
import { expectPaidOnce } from './paid-once.ts';
import { openStack, type Stack } from './stack.ts';

const AWAY_MS = 30_000;

/**
 * Each test kills something at the worst moment; the world's supervisor starts it again. Where the
 * worker can be cut from inside, it is: see crashes.test.ts.
 */
let stack: Stack;
beforeAll(async () => {
  // So long that what was kept meanwhile is delivered before anybody asks for the outcome.
  stack = await openStack(1, {
    isAlone: true,
    policies: { mpesa: { callback_wait_ms: 60_000 } },
  });
}, 150_000);
afterAll(() => stack?.close(), 60_000);

/** A fault that the simulator has begun to carry out. */
async function untilHit(): Promise<void> {
  await untilThere(async () => {
    const faults = Object.assign([], await stack.simulate('GET', 'faults'));
    return faults.find(({ hits }) => Number(hits) > 0);
  }, 'the fault is met');
}

const listEvents = async (paymentId: string) =>
  (
    await stack.db.query(
      'SELECT status, delivery_count FROM webhook_events WHERE payment_id = $1 ORDER BY id',
      [paymentId],
    )
  ).rows;

/**
 * Temporal as it is while `work` is done: it answers nobody. Then it is killed, so that nothing it
 * was sent meanwhile is left for it to read.
 */
async function withTemporalFrozen<T>(work: () => Promise<T>): Promise<T> {
  const pid = stack.world.details().pids.temporal;
  if (pid === undefined) throw new Error('Temporal does not run');
  process.kill(pid, 'SIGSTOP');
  const result = await work();
  await stack.world.kill('temporal', 'SIGKILL');
  return result;
}

/** As in a failover: PostgreSQL answers, and takes no writes. */
async function whileReadOnly(work: () => Promise<void>): Promise<void> {
  const set = async (change: string, told: string) => {
    await stack.db.query(`ALTER SYSTEM ${change}`);
    await stack.db.query('SELECT pg_reload_conf()');
    await untilThere(async () => {
      const answer = await fetch(`${stack.world.details().api_url}/api/v1/health`);
      const { components } = JSON.parse(await answer.text());
      return components.database === told ? true : null;
    }, `the database is ${told}`);
  };
  await set('SET default_transaction_read_only = on', 'read_only');
  await work();
  await set('RESET default_transaction_read_only', 'ok');
}

describe('kill -9 of the worker', () => {
  it('before the push: it is pushed once by the next run', async () => {
    const phone = stack.phone();
    // The first token of this worker is still to be fetched: hold it, and kill meanwhile.
    await stack.simulate('POST', 'faults', { on: 'oauth', fault: 'slow', delay_ms: 20_000 });
    const paying = stack.pay(phone);
    await untilHit();
    await stack.world.kill('worker', 'SIGKILL');
    expect((await stack.ledger(phone)).prompts).toEqual([]);
    await stack.simulate('DELETE', 'faults');
    await expectPaidOnce(stack, (await paying).body, phone);
  }, 150_000);

  it('during the push, after Daraja took it: it is never pushed again', async () => {
    const phone = stack.phone();
    await stack.simulate('POST', 'faults', { on: 'push', phone, fault: 'slow', delay_ms: 20_000 });
    const paying = stack.pay(phone);
    await untilPrompted(stack, phone);
    await stack.world.kill('worker', 'SIGKILL');
    await stack.simulate('DELETE', 'faults');
    await expectPaidOnce(stack, (await paying).body, phone);
  }, 150_000);
});

describe('kill -9 of the API', () => {
  it('after the row and before the workflow’s start: it is started all the same', async () => {
    const phone = stack.phone();
    const { id, workflow_id, diedAt } = await withTemporalFrozen(async () => {
      const paying = stack.pay(phone).catch(() => null);
      const row = await untilThere(
        async () =>
          (
            await stack.db.query(
              'SELECT id, status, workflow_id FROM payments WHERE idempotency_key = $1',
              [`key-${phone}`],
            )
          ).rows[0],
        'the row',
      );
      await stack.world.kill('api', 'SIGKILL');
      expect(await paying).toBeNull();
      expect(row.status).toBe('created');
      // The provider calls back only once, so the API is up again before the payment goes on.
      await stack.world.start('api');
      return { ...row, diedAt: Date.now() };
    });
    await expectPaidOnce(stack, { id }, phone);
    const workflow = await stack.temporal.workflow.getHandle(workflow_id).describe();
    expect(workflow.startTime.getTime()).toBeGreaterThan(diedAt);
  }, 150_000);
});

describe('away', () => {
  it('Temporal, while a callback arrives: it is delivered later', async () => {
    const phone = stack.phone('09');
    const { body } = await stack.pay(phone);
    await withTemporalFrozen(async () => {
      await approve(stack, phone);
      expect(await untilCalledBack(stack, phone)).toMatchObject({ status: 200 });
      expect(await listEvents(body.id)).toEqual([{ status: 'received', delivery_count: 0 }]);
    });
    await expectPaidOnce(stack, body, phone);
    expect(await listEvents(body.id)).toEqual([{ status: 'applied', delivery_count: 1 }]);
  }, 180_000);

  it('PostgreSQL takes no writes while the only callback of a lost push arrives', async () => {
    const phone = stack.phone('09');
    const lost = { on: 'push', phone, fault: 'reset', act: true, times: 1 };
    await stack.simulate('POST', 'faults', lost);
    const { body } = await stack.pay(phone);
    await untilPrompted(stack, phone);
    // Nothing but the callback can tell: the id to ask by was in the answer.
    await stack.until(body.id, ['processing']);
    expect(await stack.get(body.id)).toMatchObject({ provider_payment_id: null });
    await whileReadOnly(async () => {
      await approve(stack, phone);
      expect(await untilCalledBack(stack, phone)).toMatchObject({ status: 200 });
      expect(await listEvents(body.id)).toEqual([]);
    });
    await expectPaidOnce(stack, body, phone);
  }, 180_000);

  it('Temporal, while a payment is made: 202, and it is started later', async () => {
    const phone = stack.phone();
    const { status, body } = await withTemporalFrozen(() => stack.pay(phone));
    expect([status, body.status]).toEqual([202, 'created']);
    await expectPaidOnce(stack, body, phone);
  }, 150_000);
});

describe('away for long', () => {
  /** Nobody starts anything again here: what the outage ends would stay dead. */
  let lasting: Stack;
  beforeAll(async () => {
    lasting = await openStack(1, {
      isAlone: true,
      restartsDead: false,
      // Longer than the outage: it is the callback that settles.
      policies: { mpesa: { callback_wait_ms: 60_000 } },
    });
  }, 150_000);
  afterAll(() => lasting?.close(), 60_000);

  it('with PostgreSQL away for 30 s callbacks are kept; late money shows', async () => {
    const [phone, endedPhone] = [lasting.phone('09'), lasting.phone('01')];
    const [open, ended] = await Promise.all([lasting.pay(phone), lasting.pay(endedPhone)]);
    await lasting.until(ended.body.id, ['canceled']);
    const late = (await untilPrompted(lasting, endedPhone)).checkout_request_id;
    const { pids } = lasting.world.details();

    await lasting.world.kill('postgres', 'SIGKILL');
    const isOver = sleep(AWAY_MS);
    await approve(lasting, phone);
    await lasting.simulate('POST', `prompts/${late}/late-success`);
    expect(await untilCalledBack(lasting, phone)).toMatchObject({ status: 200 });
    expect(await untilCalledBack(lasting, endedPhone, 2)).toMatchObject({ status: 200 });
    await isOver;
    await lasting.world.start('postgres');

    await expectPaidOnce(lasting, open.body, phone);
    const review = await lasting.until(ended.body.id, ['needs_review'], 90_000);
    expect(review.review_reason).toBe('late_success');
    expect(review.provider_receipt).toBe((await lasting.ledger(endedPhone)).charges[0]?.receipt);
    const { worker, api } = lasting.world.details().pids;
    expect([worker, api]).toEqual([pids.worker, pids.api]);
  }, 150_000);
});
