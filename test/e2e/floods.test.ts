import { DOORS } from '../../bench/doors.ts';
import { createProbes, type Probes } from '../../bench/probes.ts';
import { fromFlooder, openReceiver, openSandboxAt, type Receiver } from '../../bench/sandbox.ts';
import { openStack, type Stack } from './stack.ts';

/**
 * One merchant floods, by each door there is. How long the other one's requests take meanwhile
 * `npm run bench -- flood` measures; here they are all done, whoever floods is told so in words,
 * and what was accepted is charged once.
 */
let stack: Stack;
let sandbox: Awaited<ReturnType<typeof openSandboxAt>>;
let receiver: Receiver;
let probes: Probes;
beforeAll(async () => {
  const shipped = 'sandbox/policies.yaml';
  stack = await openStack(1, { environment: { MALIPO_POLICIES: shipped } });
  sandbox = await openSandboxAt(stack.world.details());
  receiver = await openReceiver();
  const merchant = await sandbox.createMerchant('The other merchant');
  probes = await createProbes(merchant, receiver, '/other');
}, 150_000);
afterAll(async () => {
  await receiver?.close();
  await stack?.close();
}, 60_000);

const MANY = 30;
const ANSWERS = 20;
const ROUNDS = 2;
/** Made, taken, seen again, refused by a rule or a limit. */
const EXPECTED = [101, 200, 201, 202, 404, 409, 429];
/** A look-up whose question waits for its turn longer than a request may. */
const LATE = 503;
/** A connection that ended, on a machine that is busy with other tests. */
const UNANSWERED = 0;

test.each(Object.entries(DOORS))(
  'a flood of %s',
  async (name, door) => {
    const flooder = await sandbox.createMerchant(`Floods by ${name}`, fromFlooder);
    const end = new AbortController();
    const statuses = new Set<number>();
    const isFlooded = Promise.withResolvers<void>();
    let answers = 0;
    const flood = door({
      apiUrl: sandbox.apiUrl,
      flooder,
      receiver,
      count(status) {
        statuses.add(status);
        answers += 1;
        if (answers === ANSWERS) isFlooded.resolve();
      },
      signal: end.signal,
      many: MANY,
    });
    await isFlooded.promise;
    for (let round = 0; round < ROUNDS; round += 1) {
      const done = await Promise.all(
        Object.entries(probes).map(async ([probe, ask]) => [probe, await ask()] as const),
      );
      expect(Object.fromEntries(done)).toEqual(
        Object.fromEntries(Object.keys(probes).map((probe) => [probe, true])),
      );
    }
    end.abort();
    await flood;
    if (name === 'look-ups') statuses.delete(LATE);
    statuses.delete(UNANSWERED);
    expect([...statuses].filter((status) => !EXPECTED.includes(status))).toEqual([]);
  },
  90_000,
);

test('what was accepted is charged once, and nothing else', async () => {
  const open = "SELECT id FROM payments WHERE status IN ('created', 'processing') LIMIT 1";
  for (let tries = 0; (await stack.db.query(open)).rowCount !== 0; tries += 1) {
    if (tries > 600) throw new Error('payments of the floods are still open');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { rows } = await stack.db.query(
    "SELECT workflow_id, provider, provider_receipt FROM payments WHERE status = 'succeeded'",
  );
  const of = (provider: string) => rows.filter((row) => row.provider === provider);
  const { charges: rung } = Object(await stack.simulate('GET', 'ledger'));
  const receipts = (of('mpesa') as { provider_receipt: string }[]).map((it) => it.provider_receipt);
  expect(rung.map(({ receipt }: { receipt: string }) => receipt).toSorted()).toEqual(
    receipts.toSorted(),
  );
  const { charges: taken } = Object(await stack.control('cpay', 'GET', 'ledger'));
  const workflows = (of('cpay') as { workflow_id: string }[]).map((it) => it.workflow_id);
  expect(
    taken.map(({ metadata }: { metadata: { workflow: string } }) => metadata.workflow).toSorted(),
  ).toEqual(workflows.toSorted());
}, 90_000);
