import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SWEEP_SCHEDULE_ID } from '../../workflows/messages.ts';
import { payByCard, readCardLedger } from './cards.ts';
import { openOperatorIn } from './operators.ts';
import { openStack, type PaymentBody, type Stack } from './stack.ts';

/** What the sweeper finds when a workflow has ended before its payment did. */
let stack: Stack;
beforeAll(async () => {
  stack = await openStack(1, { isAlone: true });
}, 150_000);
afterAll(() => stack?.close(), 60_000);

async function until<T>(ask: () => Promise<T | null>, what: string, withinMs = 90_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  while (Date.now() < deadline) {
    const found = await ask();
    if (found !== null) return found;
    await sleep(100);
  }
  throw new Error(`not in time: ${what}`);
}

const terminate = ({ workflow }: PaymentBody) =>
  stack.temporal.workflow.getHandle(workflow.id).terminate('by hand');
const age = ({ id }: PaymentBody) =>
  stack.db.query(
    `UPDATE payments SET updated_at = now() - interval '2 hours', wait_until = NULL WHERE id = $1`,
    [id],
  );
const actionsOf = async ({ id }: PaymentBody) =>
  (await stack.timeline(id)).map(({ action }) => action);

/** A payer who canceled and paid all the same: only a person can say what that is. */
async function makeLateSuccess(): Promise<PaymentBody> {
  const phone = stack.phone('01');
  const { body } = await stack.pay(phone);
  await stack.until(body.id, ['canceled']);
  await stack.temporal.workflow.getHandle(body.workflow.id).result();
  const [prompt] = (await stack.ledger(phone)).prompts;
  await stack.simulate('POST', `prompts/${prompt?.checkout_request_id}/late-success`);
  return await stack.until(body.id, ['needs_review']);
}

it.concurrent('is asked about after its workflow was terminated, and charged once', async () => {
  const phone = stack.phone('08');
  const { body } = await stack.pay(phone);
  await terminate(body);
  await stack.until(body.id, ['succeeded'], 90_000);
  const { prompts, charges } = await stack.ledger(phone);
  expect([prompts.length, charges.length]).toEqual([1, 1]);
  expect(await actionsOf(body)).toContain('payment.reopened');
}, 120_000);

it.concurrent('a hold whose workflow was terminated can still be captured, once', async () => {
  // Its event would make the row young again.
  await stack.control('stripe', 'PATCH', 'settings', { webhook: 'never' });
  const { body } = await payByCard(stack, 'stripe', { capture_method: 'manual' });
  await stack.until(body.id, ['authorized']);
  await terminate(body);
  await age(body);
  await until(
    async () => ((await actionsOf(body)).includes('payment.reopened') ? true : null),
    'the hold is taken up',
  );
  const captured = await stack.send('POST', `payments/${body.id}/capture`, { amount: 3_000 });
  expect([captured.status, captured.body.status]).toEqual([200, 'succeeded']);
  const { taken } = await readCardLedger(stack, 'stripe', body.id);
  expect(taken.map(({ amountMinor }) => amountMinor)).toEqual([3_000]);
}, 120_000);

async function listRuns(query: string): Promise<readonly string[]> {
  const runs: string[] = [];
  for await (const { runId } of stack.temporal.workflow.list({ query })) runs.push(runId);
  return runs;
}
/** @param view one of docs/deployment.md. */
const untilListed = ({ workflow }: PaymentBody, view: string) =>
  until(
    async () => (await listRuns(`${view} AND WorkflowId = '${workflow.id}'`))[0] ?? null,
    `it is in the view ${view}`,
  );

/** Starts a new run of the workflow from the end of its first task, as an operator does. */
async function reset({ workflow: { id: workflowId } }: PaymentBody, runId: string) {
  const { workflow, workflowService } = stack.temporal;
  const { events } = await workflow.getHandle(workflowId, runId).fetchHistory();
  const firstTask = events?.find((event) => event.workflowTaskCompletedEventAttributes);
  await workflowService.resetWorkflowExecution({
    namespace: stack.world.details().temporal_namespace,
    workflowExecution: { workflowId, runId },
    reason: 'a test',
    workflowTaskFinishEventId: firstTask?.eventId ?? null,
    requestId: randomUUID(),
  });
}

it('whoever reopens a payment at the same moment, there is one open run', async () => {
  await stack.control('stripe', 'PATCH', 'settings', { webhook: 'send' });
  const { body } = await payByCard(stack, 'stripe', { capture_method: 'manual' });
  await stack.until(body.id, ['authorized']);
  const { id: workflowId } = body.workflow;
  const first = await stack.temporal.workflow.getHandle(workflowId).describe();
  const operator = await openOperatorIn(stack);
  const event = await until(async () => {
    const query = 'SELECT id FROM webhook_events WHERE payment_id = $1 LIMIT 1';
    return (await stack.db.query(query, [body.id])).rows[0] ?? null;
  }, 'a callback of it is stored');
  const listOpen = () => listRuns(`WorkflowId = '${workflowId}' AND ExecutionStatus = 'Running'`);
  await untilListed(body, `WaitingFor = 'capture' AND ExecutionStatus = 'Running'`);
  const replay = `admin/webhook-events/${event.id}/replay`;
  for (let round = 0; round < 3; round += 1) {
    await terminate(body);
    await age(body);
    await Promise.all([
      stack.temporal.schedule.getHandle(SWEEP_SCHEDULE_ID).trigger(),
      stack.send('POST', `payments/${body.id}/verify`, {}),
      operator('POST', replay, { reason: 'the run was lost' }),
      reset(body, first.runId),
    ]);
    const open = await until(async () => {
      const found = await listOpen();
      return found.length > 0 ? found : null;
    }, 'one opens it');
    expect(open).toHaveLength(1);
  }
  const captured = await stack.send('POST', `payments/${body.id}/capture`, { amount: 3_000 });
  expect([captured.status, captured.body.status]).toEqual([200, 'succeeded']);
  const { taken } = await readCardLedger(stack, 'stripe', body.id);
  expect(taken.map(({ amountMinor }) => amountMinor)).toEqual([3_000]);
  expect(await listOpen()).toEqual([]);
}, 120_000);

it('each round of the sweeper has an end, so that none holds up the next for ever', async () => {
  const ends: number[] = [];
  const query = `WorkflowType = 'sweep'`;
  for await (const { workflowId, runId } of stack.temporal.workflow.list({ query })) {
    const { raw } = await stack.temporal.workflow.getHandle(workflowId, runId).describe();
    ends.push(Number(raw.executionConfig?.workflowExecutionTimeout?.seconds));
    break;
  }
  expect(ends).toEqual([180]);
});

// The last: a round that is lost with Temporal holds the next one up for a while.
it('a late success in review holds nothing up: what was kept meanwhile is delivered', async () => {
  const reviewed = await makeLateSuccess();
  await untilListed(reviewed, `WaitingFor STARTS_WITH 'review_' AND ExecutionStatus = 'Running'`);
  await age(reviewed);
  const phone = stack.phone();
  const { body } = await stack.pay(phone);
  const answered = async () => ((await stack.ledger(phone)).callbacks.length > 0 ? true : null);
  await until(async () => {
    await stack.world.kill('temporal', 'SIGKILL');
    return await answered();
  }, 'the callback is kept');
  const fate = async () => {
    const { rows } = await stack.db.query(
      'SELECT status FROM webhook_events WHERE payment_id = $1',
      [body.id],
    );
    return rows[0]?.status === 'applied' ? 'applied' : null;
  };
  expect(await until(fate, 'the callback is applied', 90_000)).toBe('applied');
  expect((await stack.until(body.id, ['succeeded'])).status).toBe('succeeded');
  expect((await stack.get(reviewed.id)).status).toBe('needs_review');
  expect(await actionsOf(reviewed)).not.toContain('payment.reopened');
}, 180_000);
