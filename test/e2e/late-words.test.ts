import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SANDBOX } from '../../providers/stripe/simulator.ts';
import { payByCard, readCardLedger, untilRefund, untilSent } from './cards.ts';
import { untilThere } from './handset.ts';
import { openStack, type Stack } from './stack.ts';

/** What a provider says late, twice, or under another id; and answers that were lost for a hold. */
let stack: Stack;
beforeAll(async () => {
  stack = await openStack();
}, 150_000);
afterAll(() => stack?.close(), 60_000);
afterEach(async () => {
  await stack.control('stripe', 'DELETE', 'faults');
  await settings({
    webhook: 'send',
    webhook_delay_ms: 300,
    order: 'sent',
    refund_delay_ms: 2_000,
    refund_failure_event: 'refund.failed',
    dispute_delay_ms: 1_000,
  });
});

const settings = (changes: object) => stack.control('stripe', 'PATCH', 'settings', changes);
const setFault = (on: string, kind: string, times = 1) =>
  stack.control('stripe', 'POST', 'faults', { on, kind, times, stored: true });
const takenOf = async (id: string) =>
  (await readCardLedger(stack, 'stripe', id)).taken.map(({ amountMinor }) => amountMinor);
const actionsOf = async (id: string) => (await stack.timeline(id)).map(({ action }) => action);
const capture = (id: string, amount: number) =>
  stack.send('POST', `payments/${id}/capture`, { amount });

type Wire = { readonly id: string; readonly metadata: Readonly<Record<string, string>> };
async function readLedger(): Promise<{
  readonly intents: Wire[];
  readonly events: { type: string; about: string }[];
}> {
  return Object.assign({ intents: [], events: [] }, await stack.control('stripe', 'GET', 'ledger'));
}

/** An event that Stripe signs; answers what became of it once it has come to rest. */
async function say(type: string, object: object) {
  const id = `evt_${type}_${Date.now()}`;
  const body = JSON.stringify({ id, object: 'event', type, data: { object } });
  const t = Math.floor(Date.now() / 1000);
  const secret = SANDBOX.credentials.webhook_secrets;
  const v1 = createHmac('sha256', secret).update(`${t}.${body}`).digest('hex');
  await fetch(`${stack.world.details().api_url}/api/v1/webhooks/stripe`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'stripe-signature': `t=${t},v1=${v1}` },
    body,
  });
  return await untilTold(`%:${id}`);
}

async function untilTold(eventKey: string): Promise<{ status: string; error: string | null }> {
  for (let tries = 0; tries < 300; tries += 1) {
    const { rows } = await stack.db.query(
      `SELECT status, error FROM webhook_events WHERE event_key LIKE $1 AND status <> 'received'`,
      [eventKey],
    );
    if (rows[0] !== undefined) return rows[0];
    await sleep(100);
  }
  throw new Error(`${eventKey} did not come to rest`);
}

it('a former attempt that has money after all shows on the payment and in the queue', async () => {
  const { body } = await payByCard(stack, 'stripe', { payment_method: 'pm_sim_declinedThenPaid' });
  const paid = await stack.until(body.id, ['succeeded']);
  const first = (await readLedger()).intents.find(
    ({ id, metadata }) =>
      metadata.malipo_workflow === body.workflow.id && id !== paid.provider_payment_id,
  );
  const now = { ...first, status: 'succeeded', amount_received: 5_000, latest_charge: 'ch_late' };
  expect(await say('payment_intent.succeeded', now)).toEqual({
    status: 'applied',
    error: 'unmatched receipt',
  });
  const after = await stack.get(body.id);
  expect(after).toMatchObject({
    status: 'succeeded',
    provider_payment_id: paid.provider_payment_id,
    unmatched_receipts: [{ provider_payment_id: first?.id, amount: 5_000, status: 'open' }],
  });
  expect(await say('payment_intent.succeeded', { ...now, created: 1 })).toMatchObject({
    error: 'nothing new',
  });
  const operator = await signIn();
  const queue = await operator('GET', 'unmatched-receipts');
  expect(JSON.stringify(queue)).toContain(body.id);
});

it('that the payer acts elsewhere does not change what is waited for', async () => {
  const { body } = await payByCard(stack, 'stripe', {
    payment_method: 'pm_card_authenticationRequired',
    return_url: 'https://shop.example.test/back',
  });
  const waiting = await stack.get(`${body.id}/execution`);
  const intent = (await readLedger()).intents.find(({ id }) => id === body.provider_payment_id);
  expect(await say('payment_intent.requires_action', intent ?? {})).toMatchObject({
    status: 'applied',
  });
  const { waiting_for, wait_until, status } = await stack.get(`${body.id}/execution`);
  expect([status, waiting_for]).toEqual(['requires_action', 'payer_action']);
  expect(wait_until).toBe(waiting.wait_until);
  expect(await actionsOf(body.id)).not.toContain('payment.callback_unclear');
});

describe('of a hold, without any event of the provider', () => {
  const hold = async () => {
    await settings({ webhook: 'never' });
    const { body } = await payByCard(stack, 'stripe', { capture_method: 'manual' });
    expect(body.status).toBe('authorized');
    return body.id;
  };

  it.concurrent('a capture that is lost, and replayed as lost for ever, counts', async () => {
    const id = await hold();
    await setFault('capture', 'act_then_500');
    const captured = await capture(id, 3_000);
    expect([captured.status, captured.body.status]).toEqual([200, 'succeeded']);
    expect(captured.body.amount_captured).toBe(3_000);
    expect(await takenOf(id)).toEqual([3_000]);
  }, 60_000);

  it.concurrent('a cancel that is lost, and replayed as lost for ever, counts', async () => {
    const id = await hold();
    await setFault('cancel', 'act_then_500');
    const canceled = await stack.send('POST', `payments/${id}/cancel`);
    expect([canceled.status, canceled.body.status]).toEqual([200, 'canceled']);
    expect(await takenOf(id)).toEqual([]);
  }, 60_000);

  it('a capture that nobody can tell of needs a person, and settles when it is known', async () => {
    const id = await hold();
    await setFault('capture', 'act_then_500');
    await setFault('retrieve', '500_before', 50);
    const { status, body } = await capture(id, 3_000);
    expect([status, body.code]).toEqual([409, 'capture_refused']);
    expect(body.detail).not.toContain('again');
    expect(await stack.get(id)).toMatchObject({
      status: 'needs_review',
      review_reason: 'no_answer',
    });
    await stack.control('stripe', 'DELETE', 'faults');
    await stack.send('POST', `payments/${id}/verify`);
    expect(await stack.get(id)).toMatchObject({ status: 'succeeded', amount_captured: 3_000 });
    expect(await takenOf(id)).toEqual([3_000]);
  }, 60_000);

  it('of two captures at once one is taken, and the other hears of it', async () => {
    const id = await hold();
    const answers = await Promise.all([capture(id, 3_000), capture(id, 2_000)]);
    const [taken, refused] = answers.sort((a, b) => a.status - b.status);
    expect([taken?.status, refused?.status]).toEqual([200, 409]);
    expect(await takenOf(id)).toEqual([taken?.body.amount_captured]);
  });
});

/**
 * So long are events held, to leave in another order than they came up in. All that tells of one
 * payment has to come up meanwhile.
 */
const HELD_MS = 8_000;
const typesOf = (sent: readonly { readonly type: string }[]) => sent.map(({ type }) => type);
/** What became of all that was told of a workflow, once it has come to rest. */
async function untilAtRest({ workflow }: { readonly workflow: { readonly id: string } }) {
  for (let tries = 0; tries < 200; tries += 1) {
    const { rows } = await stack.db.query<{ status: string }>(
      'SELECT DISTINCT status FROM webhook_events WHERE workflow_id = $1',
      [workflow.id],
    );
    if (rows.every(({ status }) => status !== 'received')) return rows.map((row) => row.status);
    await sleep(100);
  }
  throw new Error(`${workflow.id} has unread events`);
}

describe('in reverse order', () => {
  beforeAll(() => settings({ order: 'reversed', webhook_delay_ms: HELD_MS, refund_delay_ms: 200 }));

  it.concurrent('a capture that is told of before its hold counts once', async () => {
    const { body } = await payByCard(stack, 'stripe', { capture_method: 'manual' });
    expect((await capture(body.id, 3_000)).status).toBe(200);
    const sent = await untilSent(stack, 'stripe', body.provider_payment_id, 2);
    const [hold, paid] = ['payment_intent.amount_capturable_updated', 'payment_intent.succeeded'];
    expect(typesOf(sent)).toEqual([paid, hold]);
    expect(await untilAtRest(body)).toEqual(['applied']);
    const after = await stack.get(body.id);
    expect(after).toMatchObject({
      status: 'succeeded',
      amount_captured: 3_000,
      unmatched_receipts: [],
    });
    expect(await takenOf(body.id)).toEqual([3_000]);
  });

  it.concurrent('a hold that is told of after it was let go stays let go', async () => {
    const { body } = await payByCard(stack, 'stripe', { capture_method: 'manual' });
    expect((await stack.send('POST', `payments/${body.id}/cancel`)).status).toBe(200);
    const sent = await untilSent(stack, 'stripe', body.provider_payment_id, 2);
    expect(typesOf(sent).at(-1)).toBe('payment_intent.amount_capturable_updated');
    expect(await untilAtRest(body)).toEqual(['applied']);
    expect(await stack.get(body.id)).toMatchObject({ status: 'canceled', amount_captured: 0 });
    expect(await takenOf(body.id)).toEqual([]);
  });

  it.concurrent('a refund whose failure is told of before its success has failed', async () => {
    const { body } = await payByCard(stack, 'stripe', { payment_method: 'pm_card_refundFail' });
    const refund = (await stack.send('POST', `payments/${body.id}/refunds`, { amount: 2_000 }))
      .body;
    expect(refund.status).toBe('succeeded');
    const id = String(refund.provider_refund_id);
    expect(typesOf(await untilSent(stack, 'stripe', id, 2))).toEqual([
      'refund.failed',
      'refund.created',
    ]);
    expect(await untilAtRest(refund)).toEqual(['applied']);
    expect((await stack.send('GET', `refunds/${refund.id}`)).body.status).toBe('failed');
    const after = { amount_refunded: 0, amount_refundable: 5_000, refund_status: 'none' };
    expect(await stack.get(body.id)).toMatchObject(after);
  });
});

describe('in disorder', () => {
  it('of 3-D Secure, in any order, is asked about on the merchant’s word', async () => {
    await settings({ order: 'shuffled', webhook_delay_ms: HELD_MS });
    const { body } = await payByCard(stack, 'stripe', {
      payment_method: 'pm_card_authenticationRequired',
      return_url: 'https://shop.example.test/back',
      capture_method: 'manual',
    });
    expect(body.status).toBe('requires_action');
    await stack.control('stripe', 'POST', `3ds/${body.provider_payment_id}`, { passed: true });
    const verified = await stack.send('POST', `payments/${body.id}/verify`);
    expect([verified.status, verified.body.status]).toEqual([200, 'authorized']);
    expect((await capture(body.id, 5_000)).body.status).toBe('succeeded');
    const sent = await untilSent(stack, 'stripe', body.provider_payment_id, 3);
    expect(typesOf(sent)).toEqual([
      'payment_intent.amount_capturable_updated',
      'payment_intent.requires_action',
      'payment_intent.succeeded',
    ]);
    expect(await untilAtRest(body)).toEqual(['applied']);
    const after = await stack.get(body.id);
    expect(after).toMatchObject({ status: 'succeeded', amount_captured: 5_000, next_action: null });
    expect(await takenOf(body.id)).toEqual([5_000]);
  });

  it('a dispute that is told of before its charge’s answer came shows on the payment', async () => {
    await settings({ order: 'reversed', webhook_delay_ms: 700, dispute_delay_ms: 0 });
    await setFault('create', 'act_then_timeout');
    const { body } = await payByCard(stack, 'stripe', { payment_method: 'pm_card_createDispute' });
    const paid = await stack.until(body.id, ['succeeded']);
    const own = await untilThere(async () => {
      const { events } = await readLedger();
      const told = events.filter(
        ({ type, about }) =>
          type === 'charge.dispute.created' || about === paid.provider_payment_id,
      );
      return told.length >= 2 ? told : null;
    }, 'both were told');
    expect(typesOf(own)).toEqual(['charge.dispute.created', 'payment_intent.succeeded']);
    // The sweeper looks again after some minutes; as if they were over.
    await stack.db.query(
      `UPDATE webhook_events SET swept_at = NULL WHERE event->>'kind' = 'dispute'`,
    );
    await untilThere(async () => (await stack.get(body.id)).dispute, 'the dispute shows');
    const after = await stack.get(body.id);
    expect(after).toMatchObject({ status: 'succeeded', dispute: { status: 'open' } });
    expect(await takenOf(paid.id)).toEqual([5_000]);
  });
});

it('a refund’s success is taken back by refund.updated as well', async () => {
  await settings({ refund_failure_event: 'refund.updated' });
  const { body } = await payByCard(stack, 'stripe', { payment_method: 'pm_card_refundFail' });
  const refund = (await stack.send('POST', `payments/${body.id}/refunds`, { amount: 2_000 })).body;
  expect(refund.status).toBe('succeeded');
  const failed = await untilRefund(stack, refund.id, ['failed']);
  expect(failed.failure).toMatchObject({ code: 'not_reachable' });
  const id = String(refund.provider_refund_id);
  const sent = await untilSent(stack, 'stripe', id, 2);
  expect(typesOf(sent)).toEqual(['refund.created', 'refund.updated']);
  expect(await stack.get(body.id)).toMatchObject({ amount_refunded: 0, amount_refundable: 5_000 });
});

it('a refund that comes back after its money went to another one needs a person', async () => {
  const { body } = await payByCard(stack, 'stripe', { payment_method: 'pm_card_refundFail' });
  await stack.until(body.id, ['succeeded']);
  const refund = () => stack.send('POST', `payments/${body.id}/refunds`, {});
  const late = (await refund()).body;
  await untilRefund(stack, late.id, ['failed']);
  await settings({ refund_delay_ms: 600_000 });
  expect((await refund()).body.status).toBe('succeeded');
  const path = `refunds/${String(late.provider_refund_id)}`;
  await stack.control('stripe', 'POST', path, { status: 'succeeded' });
  const inReview = await untilRefund(stack, late.id, ['needs_review']);
  expect(inReview).toMatchObject({ review_reason: 'over_refunded', amount_over: 5_000 });
  expect(await stack.get(body.id)).toMatchObject({ amount_refunded: 5_000, amount_refundable: 0 });
  const operator = await signIn();
  const decision = { decision: 'failed', reason: 'the portal shows one refund' };
  await operator('POST', `refunds/${late.id}/decision`, decision);
  expect(await untilRefund(stack, late.id, ['failed'])).toMatchObject({ amount_over: 0 });
}, 60_000);

/** As an operator: calls under /api/v1/admin. */
async function signIn() {
  const { api_url, operator } = stack.world.details();
  const call = async (method: string, path: string, body?: object, token?: string) => {
    const answer = await fetch(`${api_url}/api/v1/${path}`, {
      method,
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return JSON.parse(await answer.text());
  };
  const { access_token } = await call('POST', 'sessions', operator);
  return (method: string, path: string, body?: object) =>
    call(method, `admin/${path}`, body, access_token);
}
