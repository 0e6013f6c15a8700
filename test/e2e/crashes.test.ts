import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listBrokenLinks, verifyTrails } from '../../db/audit.ts';
import { openPool, type Pool } from '../../db/pool.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import { CARD_PROVIDERS, payByCard, readCardLedger, untilRefund } from './cards.ts';
import { CUTS, isOfWrite, openPlan, type Point, type Step } from './crash-plan.ts';
import { expectPaidOnce } from './paid-once.ts';
import { openStack, type Stack } from './stack.ts';

/**
 * The worker dies by SIGKILL at each point of each call that moves money, and of the write that
 * settles it, for each provider. One death cuts them all: each is of a payment of its own,
 * and held at its point until all are there. Events of card providers are off, so that only the
 * next run can tell what became of one.
 */

/** Whose simulators keep a ledger that is read here. */
const PROVIDERS = ['mpesa', ...CARD_PROVIDERS] as const;
type ProviderName = (typeof PROVIDERS)[number];
type Case = {
  readonly provider: ProviderName;
  readonly step: Step;
  readonly point: Point;
  /** What the plan knows the call by. */
  readonly amount: number;
  readonly phone: string;
};
const STEPS: readonly Step[] = ['charge', 'capture', 'refund'];
const stepsOf = (provider: ProviderName) =>
  STEPS.filter((step) => step !== 'capture' || capabilitiesOf(provider).capture);
const CASES: readonly Case[] = PROVIDERS.flatMap((provider) =>
  stepsOf(provider).flatMap((step) => CUTS[step].map((point) => ({ provider, step, point }))),
).map((each, index) => ({
  ...each,
  amount: 2_000 + index * 100,
  phone: `2547${String(10_000 + index)}099`,
}));
/** How it stands until its write, and how often the trail tells of that: a hold is told of too. */
const WRITES = {
  charge: { before: 'processing', action: 'payment.succeeded', times: 1 },
  capture: { before: 'authorized', action: 'payment.succeeded', times: 1 },
  refund: { before: 'pending', action: 'refund.succeeded', times: 1 },
} as const satisfies Record<Step, object>;
/** Steps of a payment that is made before; of it they are a part. */
const MOVED: readonly Step[] = ['capture', 'refund'];
const WHOLE = 10_000;

/** Without a key of ours, as with M-Pesa, what may have been sent is never sent again: ADR 0002. */
const isLeftToPeople = ({ provider, point }: Case) =>
  capabilitiesOf(provider).dedupe_window_ms === null && point === 'between claim and send';

const SEND = { timeout_ms: 1_500, deadline_ms: 90_000, resend_after_ms: [500] };
const UNHURRIED = {
  charge: { ...SEND, max_sends: 3 },
  refund: { ...SEND, poll_interval_ms: [700] },
};

const folder = mkdtempSync(join(tmpdir(), 'malipo-crash-'));
const plan = openPlan(folder);
let stack: Stack;
let pool: Pool;
const payments = new Map<Case, string>();
const refunds = new Map<Case, string>();
/** One that waits for its callback meanwhile: the payer answers when the worker is dead. */
const waiting = { id: '', phone: '' };
type Standing = { readonly status: string; readonly wait: string | null; readonly isOn: boolean };
/** How each payment and refund stood when nobody ran its workflow. */
const standing = new Map<string, Standing>();
const idOf = (map: ReadonlyMap<Case, string>, of: Case) => map.get(of) ?? '';

beforeAll(async () => {
  const environment = { CRASH_FOLDER: folder };
  stack = await openStack(1, {
    workerFile: 'test/e2e/crashing-worker.ts',
    environment,
    // What stood in the database when it died is looked at before the next one runs.
    restartsDead: false,
    // All calls come to their points while one payment waits for its callback, and none is too
    // old to be sent when the next worker is there.
    policies: {
      stripe: UNHURRIED,
      cpay: UNHURRIED,
      mpesa: {
        callback_wait_ms: 30_000,
        lookup: { timeout_ms: 2_000, poll_interval_ms: [700], window_ms: 2_000 },
      },
    },
  });
  const { database_url: databaseUrl, pids } = stack.world.details();
  pool = await openPool({ databaseUrl, size: 2, statementTimeoutMs: 10_000 });
  for (const name of CARD_PROVIDERS) {
    await stack.control(name, 'PATCH', 'settings', { webhook: 'never' });
  }
  await Promise.all(CASES.filter(({ step }) => MOVED.includes(step)).map(prepare));
  await beginToWait();
  plan.make(Object.fromEntries(CASES.map(({ amount, point }) => [amount, point])));
  const acting = Promise.all(CASES.map(act));
  for (let tries = 0; plan.readDone() === null; tries += 1) {
    if (tries > 1_200) throw new Error('not all calls came to their points in time');
    await sleep(50);
  }
  while (stack.world.details().pids.worker !== undefined) await sleep(20);
  await readStanding();
  await answerPhone();
  await stack.world.start('worker');
  await acting;
  expect(plan.readDone()).toHaveLength(CASES.length);
  expect(stack.world.details().pids.worker).not.toBe(pids.worker);
}, 200_000);
afterAll(async () => {
  await pool?.end();
  await stack?.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

async function pay(of: Case, amount: number): Promise<string> {
  const { provider, phone, step } = of;
  const capture_method = step === 'capture' ? 'manual' : 'automatic';
  const { body } =
    provider === 'mpesa'
      ? await stack.pay(phone, { amount })
      : await payByCard(stack, provider, { amount, capture_method });
  payments.set(of, body.id);
  return body.id;
}

async function beginToWait(): Promise<void> {
  waiting.phone = stack.phone('09');
  waiting.id = (await stack.pay(waiting.phone)).body.id;
  await stack.until(waiting.id, ['processing']);
}

async function readStanding(): Promise<void> {
  const { rows } = await stack.db.query<Standing & { readonly id: string }>(
    `SELECT id, status, waiting_for AS wait, coalesce(wait_until > now(), false) AS "isOn"
     FROM payments
     UNION ALL
     SELECT id, status, NULL, false FROM refunds`,
  );
  for (const { id, ...row } of rows) standing.set(id, row);
}

async function answerPhone(): Promise<void> {
  const [prompt] = (await stack.ledger(waiting.phone)).prompts;
  const path = `prompts/${prompt?.checkout_request_id}/answer`;
  await stack.simulate('POST', path, { answer: 'approve' });
}

/** The payment that is to be captured or refunded. */
async function prepare(of: Case): Promise<void> {
  const id = await pay(of, WHOLE);
  await stack.until(id, [of.step === 'capture' ? 'authorized' : 'succeeded']);
}

const capture = (of: Case) =>
  stack.send('POST', `payments/${idOf(payments, of)}/capture`, { amount: of.amount });

async function act(of: Case): Promise<void> {
  const { step, amount } = of;
  if (!MOVED.includes(step)) await pay(of, amount);
  // Whoever asked for it hears of it when it is known, which may be after all patience.
  if (step === 'capture') void capture(of).catch(() => null);
  if (step !== 'refund') return;
  const { body } = await stack.send('POST', `payments/${idOf(payments, of)}/refunds`, { amount });
  refunds.set(of, body.id);
}

/** What the provider's own ledger shows of the call: an amount for each time it was carried out. */
async function readEffects({ provider, step, phone, ...of }: Case, id: string) {
  if (provider !== 'mpesa') {
    const { taken, refunds: given } = await readCardLedger(stack, provider, id);
    return (step === 'refund' ? given : taken).map(({ amountMinor }) => amountMinor);
  }
  const { prompts, reversals } = Object.assign(
    { prompts: [], reversals: [] },
    await stack.simulate('GET', `ledger?phone=${phone}`),
  );
  const asked: readonly unknown[] = step === 'refund' ? reversals : prompts;
  return asked.map(() => of.amount);
}

async function untilKnown(of: Case) {
  const id = idOf(payments, of);
  if (of.step === 'refund') return await untilRefund(stack, idOf(refunds, of), ENDS);
  if (of.step !== 'capture') return await stack.until(id, ENDS, 60_000);
  // The first capture may have ended in "it is still held": then it is to be made again.
  for (let tries = 0; tries < 120; tries += 1) {
    const { status, body } = await capture(of);
    if (status === 200) return body;
    await sleep(250);
  }
  throw new Error(`${id} cannot be captured`);
}
const ENDS = ['succeeded', 'failed', 'needs_review'];

describe.each(PROVIDERS)('%s', (provider) => {
  test.each(
    CASES.filter((it) => it.provider === provider).map((it) => [it.step, it.point, it] as const),
  )(
    'kill -9 of the worker at a %s, %s',
    async (step, point, of) => {
      const known = await untilKnown(of);
      const isLeft = isLeftToPeople(of);
      expect(known).toMatchObject(
        isLeft ? { status: 'needs_review', review_reason: 'no_answer' } : { status: 'succeeded' },
      );
      const id = idOf(payments, of);
      if (isOfWrite(point)) {
        const { before, action, times } = WRITES[step];
        const own = step === 'refund' ? idOf(refunds, of) : id;
        const stood = { status: point === 'after its commit' ? 'succeeded' : before };
        expect(standing.get(own)).toMatchObject(stood);
        const told = (await stack.timeline(id)).filter((entry) => entry.action === action);
        expect(told).toHaveLength(times);
      }
      expect(await readEffects(of, id)).toEqual(isLeft ? [] : [of.amount]);
      const { amount_captured, amount_refunded, amount_refundable } = await stack.get(id);
      const taken = step === 'refund' ? WHOLE : isLeft ? 0 : of.amount;
      // What may still be given back stays reserved while nobody knows.
      const given = step === 'refund' ? of.amount : 0;
      expect([amount_captured, amount_refunded, amount_refundable]).toEqual([
        taken,
        isLeft ? 0 : given,
        taken - given,
      ]);
      expect(await listBrokenLinks(pool, id)).toEqual([]);
      const isPaidByPhone = of.provider === 'mpesa' && !MOVED.includes(step) && !isLeft;
      if (isPaidByPhone) await expectPaidOnce(stack, { id }, of.phone);
    },
    120_000,
  );
});

it('kill -9 of the worker while a payment waits for its callback', async () => {
  const held = { status: 'processing', wait: 'callback', isOn: true };
  expect(standing.get(waiting.id)).toEqual(held);
  await expectPaidOnce(stack, waiting, waiting.phone);
  expect(await verifyTrails(pool, null, 1_000)).toMatchObject({ faults: [] });
});
