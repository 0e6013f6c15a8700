import { setTimeout as sleep } from 'node:timers/promises';
import { defaultPayloadConverter } from '@temporalio/common';
import { untilThere } from './handset.ts';
import { openStack, type Stack } from './stack.ts';

/** Each case has a phone of its own, so those of a group need not wait for each other. */
let stack: Stack;
beforeAll(async () => {
  stack = await openStack(2);
}, 150_000);
afterAll(() => stack?.close(), 60_000);

const history = async (workflowId: string) =>
  await stack.temporal.workflow.getHandle(workflowId).fetchHistory();

/** A workflow closes a moment after its last row was written. */
async function closedHistory(workflowId: string) {
  await stack.temporal.workflow.getHandle(workflowId).result();
  return (await history(workflowId)).events ?? [];
}

type Events = Awaited<ReturnType<typeof closedHistory>>;

/** What operators read beside the steps of a history, by the kind of step. */
function summariesOf(events: Events) {
  const of = (isIt: (event: Events[number]) => unknown) =>
    events.flatMap((event) => {
      const summary = event.userMetadata?.summary;
      return summary && isIt(event) ? [defaultPayloadConverter.fromPayload<string>(summary)] : [];
    });
  return {
    activities: of((event) => event.activityTaskScheduledEventAttributes),
    records: of((event) => event.markerRecordedEventAttributes),
    timers: of((event) => event.timerStartedEventAttributes),
  };
}

/** What is written down on the main path, once it was sent. */
const RECORDS = ['payment.provider_accepted', 'payment.succeeded'];

/** What stands at the head of the workflow's page in the Web UI. */
async function currentDetails(workflowId: string): Promise<string> {
  const handle = stack.temporal.workflow.getHandle(workflowId);
  const told = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
  return told.currentDetails;
}

/** Of GET …/execution, once something was tried in vain. */
async function untilTriedInVain(id: string) {
  return await untilThere(async () => {
    const askedMs = Date.now();
    const none: readonly Tried[] = [];
    const shown = Object.assign({ activities: none }, await stack.get(`${id}/execution`));
    const tried = shown.activities.find(({ last_error }) => last_error !== null);
    return tried === undefined ? null : { askedMs, tried };
  }, 'a try in vain');
}
type Tried = {
  readonly type: string;
  readonly attempt: number;
  readonly attempts_max: number | null;
  readonly last_error: string | null;
  readonly next_try_at: string | null;
};

async function prompted(phone: string) {
  const { prompts } = await stack.ledger(phone);
  const [prompt] = prompts;
  if (prompt === undefined) throw new Error('no prompt');
  return prompt;
}

const actionsOf = async (id: string) => (await stack.timeline(id)).map(({ action }) => action);
const MAIN_PATH = ['payment.created', 'payment.dispatched', ...RECORDS];

describe('the main path', () => {
  it.concurrent('succeeds with a receipt in at most 21 events, and shows each step', async () => {
    const phone = stack.phone();
    const { status, body } = await stack.pay(phone);
    expect(status).toBe(201);
    // The payer may be quicker than a busy machine answers.
    expect(['processing', 'succeeded']).toContain(body.status);
    const paid = await stack.until(body.id, ['succeeded']);
    const { prompts, charges } = await stack.ledger(phone);
    expect(prompts).toHaveLength(1);
    expect(charges).toMatchObject([{ receipt: paid.provider_receipt, amount: 100 }]);
    expect(await actionsOf(body.id)).toEqual(MAIN_PATH);
    const events = await closedHistory(body.workflow.id);
    expect(events.length).toBeLessThanOrEqual(21);
    expect(JSON.stringify(events)).not.toContain(phone);
    const described = await stack.temporal.workflow.getHandle(body.workflow.id).describe();
    expect(await described.staticSummary()).toBe('KES 100.00 by mpesa');
    expect(summariesOf(events)).toMatchObject({ activities: ['charge mpesa'], records: RECORDS });
    expect(await currentDetails(body.workflow.id)).toBe('**succeeded** — callback');
  });

  it.concurrent('is settled by asking in at most 26 events when the callback is lost', async () => {
    const phone = stack.phone('08');
    // The first question is refused, and for so long one can see when the next one comes.
    const slower = { on: 'query', phone, fault: '429', retry_after_s: 3 };
    await stack.simulate('POST', 'faults', slower);
    const { body } = await stack.pay(phone);
    expect(await currentDetails(body.workflow.id)).toBe(
      '**processing** — the prompt is on its way to the payer\n\nWaits for: callback, 4 s at most',
    );
    const { askedMs, tried } = await untilTriedInVain(body.id);
    expect(tried).toMatchObject({
      type: 'lookup',
      attempt: 2,
      attempts_max: null,
      last_error: expect.stringContaining('too many requests'),
    });
    expect(tried.next_try_at).toMatch(/^\d{4}-\d\d-\d\dT[\d:]+\.\d{3}Z$/);
    expect(Date.parse(tried.next_try_at ?? '')).toBeGreaterThan(askedMs);
    const paid = await stack.until(body.id, ['succeeded']);
    expect(paid.provider_receipt).toBeNull();
    const events = await closedHistory(body.workflow.id);
    expect(events.length).toBeLessThanOrEqual(26);
    expect(summariesOf(events)).toEqual({
      activities: ['charge mpesa', 'ask mpesa for the outcome'],
      records: RECORDS,
      timers: ['wait for the callback'],
    });

    // The late callback still tells the receipt.
    const { checkout_request_id } = await prompted(phone);
    await stack.simulate('POST', `callbacks/${checkout_request_id}/resend`, {});
    const [charge] = (await stack.ledger(phone)).charges;
    const told = await untilThere(async () => {
      const { status, provider_receipt } = await stack.get(body.id);
      return provider_receipt === null ? null : { status, provider_receipt };
    }, 'the receipt');
    expect(told).toEqual({ status: 'succeeded', provider_receipt: charge?.receipt });
  });

  it.concurrent.each([
    ['01', 'canceled', 'payer_canceled'],
    ['02', 'failed', 'wrong_pin'],
    ['03', 'failed', 'insufficient_funds'],
    ['04', 'failed', 'prompt_expired'],
    ['05', 'failed', 'payer_unreachable'],
    ['06', 'processing', undefined],
  ])('ends rightly for a phone ending in %s', async (digits, status, code) => {
    const phone = stack.phone(digits);
    const { body } = await stack.pay(phone);
    const ended = await stack.until(body.id, [status]);
    expect(ended.failure?.code).toBe(code);
    expect((await stack.ledger(phone)).charges).toHaveLength(0);
    if (digits !== '06') return;
    const waits = (await stack.timeline(body.id)).at(-1);
    expect(waits?.action).toBe('payment.resend_planned');
  });

  it.concurrent('needs review after a result code nobody knows; it never fails by it', async () => {
    const { body } = await stack.pay(stack.phone('07'));
    expect((await stack.until(body.id, ['needs_review', 'failed'])).status).toBe('needs_review');
  });
});

describe('the same key', () => {
  it.concurrent('50 times at once over two processes is one prompt and one payment', async () => {
    const phone = stack.phone();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => stack.pay(phone, { key: 'fifty', api: i % 2 })),
    );
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(answers.every(({ status }) => status >= 200 && status < 300)).toBe(true);
    expect((await stack.ledger(phone)).prompts).toHaveLength(1);
    const id = answers[0]?.body.id ?? '';
    await stack.until(id, ['succeeded']);
    const again = await stack.pay(phone, { key: 'fifty' });
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([200, 'true']);
    expect(again.body).toMatchObject({ id, status: 'succeeded' });
    expect((await stack.pay(phone, { key: 'fifty', amount: 20_000 })).status).toBe(422);
    expect((await stack.ledger(phone)).charges).toHaveLength(1);
  });
});

describe('callbacks', () => {
  it.concurrent.each([['10'], ['11']])(
    'are applied once (%s: twice; before the answer)',
    async (digits) => {
      const phone = stack.phone(digits);
      const { body } = await stack.pay(phone);
      await stack.until(body.id, ['succeeded']);
      const settled = (await stack.timeline(body.id)).filter(
        (it) => it.action === 'payment.succeeded',
      );
      expect(settled).toHaveLength(1);
    },
  );

  it.concurrent('100 at once are answered 200 and change nothing', async () => {
    const phone = stack.phone();
    const { body } = await stack.pay(phone);
    await stack.until(body.id, ['succeeded']);
    const { checkout_request_id } = await prompted(phone);
    const sent = await stack.simulate('POST', `callbacks/${checkout_request_id}/resend`, {
      times: 100,
    });
    expect(sent).toEqual({ statuses: Array.from({ length: 100 }, () => 200) });
    const rows = await stack.db.query(
      'SELECT status, duplicate_count FROM webhook_events WHERE payment_id = $1',
      [body.id],
    );
    expect(rows.rows).toEqual([{ status: 'applied', duplicate_count: 100 }]);
    expect(await stack.timeline(body.id)).toHaveLength(4);
  });

  it.concurrent('100 at once, the first among them, settle an open payment once', async () => {
    const phone = stack.phone('08');
    await stack.simulate('POST', 'faults', {
      on: 'query',
      phone,
      fault: 'being_processed',
      times: 50,
    });
    const { body } = await stack.pay(phone);
    const charge = await untilThere(async () => (await stack.ledger(phone)).charges[0], 'a charge');
    const { checkout_request_id } = await prompted(phone);
    expect((await stack.get(body.id)).status).toBe('processing');
    const sent = await stack.simulate('POST', `callbacks/${checkout_request_id}/resend`, {
      times: 100,
    });
    expect(sent).toEqual({ statuses: Array.from({ length: 100 }, () => 200) });
    expect((await stack.until(body.id, ['succeeded'])).provider_receipt).toBe(charge.receipt);
    const { rows } = await stack.db.query(
      'SELECT status, duplicate_count FROM webhook_events WHERE payment_id = $1',
      [body.id],
    );
    expect(rows).toEqual([{ status: 'applied', duplicate_count: 99 }]);
    expect(await actionsOf(body.id)).toEqual(MAIN_PATH);
    const events = await closedHistory(body.workflow.id);
    expect(events.filter((it) => it.workflowExecutionSignaledEventAttributes)).toHaveLength(1);
  });

  it.concurrent('with a wrong amount are not believed, and kept', async () => {
    const phone = stack.phone('09');
    const { body } = await stack.pay(phone);
    const { checkout_request_id: id } = await prompted(phone);
    const mutate = { result_code: 0, amount: 1, receipt: 'UKX0000001' };
    await stack.simulate('POST', `callbacks/${id}/resend`, { mutate });
    const doubted = await stack.until(body.id, ['needs_review', 'succeeded']);
    expect([doubted.status, doubted.review_reason]).toEqual(['needs_review', 'amount_mismatch']);
    const { rows } = await stack.db.query<{ id: string; status: string }>(
      "SELECT id, status FROM webhook_events WHERE payment_id = $1 AND event->>'receipt' = $2",
      [body.id, mutate.receipt],
    );
    const [event] = rows;
    expect(event?.status).toBe('parked');

    // An operator has it judged once more: the same words are doubted again, and it comes to rest.
    const { email, password } = stack.world.details().operator;
    const { access_token } = (await stack.send('POST', 'sessions', { email, password })).body;
    const answer = await fetch(
      `${stack.world.apiUrls[0]}/api/v1/admin/webhook-events/${event?.id}/replay`,
      {
        method: 'POST',
        headers: {
          authorization: `Bearer ${String(access_token)}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({ reason: 'judged once more' }),
      },
    );
    expect(answer.status).toBe(200);
    const read = 'SELECT status FROM webhook_events WHERE id = $1';
    const statusNow = async () => (await stack.db.query(read, [event?.id])).rows[0]?.status;
    for (let tries = 0; tries < 300 && (await statusNow()) === 'received'; tries += 1) {
      await sleep(100);
    }
    expect(await statusNow()).toBe('parked');
    const doubts = (await stack.timeline(body.id)).filter(({ cause }) => cause.includes('amount'));
    expect(doubts.length).toBe(2);
  });

  it.concurrent('of money after a failure make it visible, and nothing is dropped', async () => {
    const phone = stack.phone('01');
    const { body } = await stack.pay(phone);
    await stack.until(body.id, ['canceled']);
    const { checkout_request_id } = await prompted(phone);
    await stack.simulate('POST', `prompts/${checkout_request_id}/late-success`);
    const late = await stack.until(body.id, ['needs_review']);
    expect(late.review_reason).toBe('late_success');
    expect(late.provider_receipt).not.toBeNull();
  });
});

/** How an answer is lost after Daraja did what it was asked for. */
const LOST = ['reset', 'timeout', '500', 'truncate', 'html_200'];

describe('a lost answer', () => {
  it.concurrent.each(LOST)(
    'after Daraja acted (%s) is settled by the callback, with one prompt',
    async (fault) => {
      const phone = stack.phone();
      await stack.simulate('POST', 'faults', { on: 'push', phone, act: true, fault });
      const { body } = await stack.pay(phone);
      const paid = await stack.until(body.id, ['succeeded']);
      const { prompts, charges } = await stack.ledger(phone);
      expect([prompts.length, charges.length]).toEqual([1, 1]);
      expect(paid.provider_receipt).toBe(charges[0]?.receipt);
      expect((await stack.timeline(body.id)).map((it) => it.action)).toContain(
        'payment.answer_lost',
      );
    },
  );

  it.concurrent.each(LOST)(
    '(%s) without any callback needs review; a late callback resolves it',
    async (fault) => {
      const phone = stack.phone('08');
      await stack.simulate('POST', 'faults', { on: 'push', phone, act: true, fault });
      const { body } = await stack.pay(phone);
      const doubted = await stack.until(body.id, ['needs_review', 'succeeded', 'failed']);
      expect([doubted.status, doubted.review_reason]).toEqual(['needs_review', 'no_answer']);
      expect((await stack.ledger(phone)).callbacks).toEqual([]);
      const { checkout_request_id } = await prompted(phone);
      await stack.simulate('POST', `callbacks/${checkout_request_id}/resend`, {});
      const paid = await stack.until(body.id, ['succeeded']);
      const { prompts, charges } = await stack.ledger(phone);
      expect([prompts.length, charges.length]).toEqual([1, 1]);
      expect(paid.provider_receipt).toBe(charges[0]?.receipt);
      const dispatched = (await stack.timeline(body.id)).filter(
        ({ action }) => action === 'payment.dispatched',
      );
      expect(dispatched).toHaveLength(1);
    },
  );
});

describe('a refusal', () => {
  it.concurrent.each(['429', 'system_busy', 'spike_arrest'])(
    '%s is sent again, and pays once',
    async (fault) => {
      const phone = stack.phone();
      await stack.simulate('POST', 'faults', { on: 'push', phone, fault });
      const { body } = await stack.pay(phone);
      await stack.until(body.id, ['succeeded']);
      const { prompts, charges } = await stack.ledger(phone);
      expect([prompts.length, charges.length]).toEqual([1, 1]);
    },
  );

  it.concurrent('of the token is mended by a new one', async () => {
    const phone = stack.phone();
    await stack.simulate('POST', 'faults', { on: 'push', phone, fault: 'invalid_token' });
    const { body } = await stack.pay(phone);
    await stack.until(body.id, ['succeeded']);
    expect((await stack.ledger(phone)).prompts).toHaveLength(1);
  });

  it.concurrent.each([
    ['wrong_credentials', /passkey/],
    ['merchant_missing', /short_code/],
    ['invalid_field', /PhoneNumber/],
  ])('%s fails at once and says what to mend', async (fault, remedy) => {
    const phone = stack.phone();
    await stack.simulate('POST', 'faults', { on: 'push', phone, fault });
    const { body } = await stack.pay(phone);
    const failed = await stack.until(body.id, ['failed']);
    expect(failed.failure?.code).toBe('misconfigured');
    expect(failed.failure?.message).toMatch(remedy);
    expect((await stack.ledger(phone)).prompts).toHaveLength(0);
  });
});
