import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { createOutageLog } from '../../config/outage-log.ts';
import { SEARCH_ATTRIBUTES } from '../../temporal/search-attributes.ts';
import { ensureNamespace, type NamespaceParts } from '../../worker/namespace.ts';
import { createWatch } from '../../worker/watch.ts';
import { SWEEP_SCHEDULE_ID } from '../../workflows/messages.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { keepLog } from '../kept-log.ts';
import { openNamespace, temporalAddress } from '../temporal.ts';
import { until } from '../until.ts';

/** What payments need in their namespace may be lost, or may not be ours to add. */
const NAMES = Object.keys(SEARCH_ATTRIBUTES);
const POLICY = {
  interval_ms: 3_600_000,
  unstarted_after_ms: 15_000,
  undelivered_after_ms: 10_000,
  batch: 100,
};

let connection: NativeConnection;
let database: TestDatabase;
beforeAll(async () => {
  connection = await NativeConnection.connect({ address: temporalAddress() });
  database = await openTestDatabase();
});
afterAll(async () => {
  await database.close();
  await connection.close();
});

async function open(namespace: string) {
  await openNamespace(namespace);
  const { schedule } = new Client({ connection, namespace });
  const { operatorService: operator } = connection;
  const parts: NamespaceParts = { operator, schedule, namespace, policy: POLICY };
  const handle = schedule.getHandle(SWEEP_SCHEDULE_ID);
  const listAttributes = async () => {
    const { customAttributes } = await operator.listSearchAttributes({ namespace });
    return Object.keys(customAttributes ?? {}).filter((name) => NAMES.includes(name));
  };
  const hasSchedule = () =>
    handle.describe().then(
      () => true,
      () => false,
    );
  return { parts, operator, handle, namespace, listAttributes, hasSchedule };
}

/** As the server refuses it; 7 is PERMISSION_DENIED, 12 UNIMPLEMENTED. */
const refuse = (code: number) => () =>
  Promise.reject(Object.assign(new Error('Request unauthorized.'), { code }));

function openLog() {
  const { log, lines } = keepLog('info', 'worker');
  const outage = createOutageLog(log, { failing: 'waits', working: 'goes on' });
  const isAdded = (name: string) =>
    lines().some(({ added }) => Array.isArray(added) && added.includes(name));
  return { log, outage, isAdded };
}

test('what is lost while the worker runs comes back without a restart', async () => {
  const { parts, handle, operator, namespace, listAttributes, hasSchedule } =
    await open('lost-while-running');
  const { log, outage, isAdded } = openLog();
  const watch = createWatch(parts, { pool: database.pool, own: [] }, { log, outage }, 20);
  await watch.look();
  await until(
    async () => (await hasSchedule()) && (await listAttributes()).length === NAMES.length,
  );
  const ending = new AbortController();
  const running = watch.run(ending.signal);
  await handle.delete();
  await operator.removeSearchAttributes({ namespace, searchAttributes: NAMES.slice(0, 2) });
  await until(
    async () => (await hasSchedule()) && (await listAttributes()).length === NAMES.length,
  );
  await until(() => isAdded(SWEEP_SCHEDULE_ID));
  await until(() => isAdded('PaymentId'));
  ending.abort();
  await running;
}, 60_000);

test('a namespace that has all is only read: no right to change it is needed', async () => {
  const { parts } = await open('all-there');
  expect((await ensureNamespace(parts, true)).faults).toEqual([]);
  await until(async () => (await ensureNamespace(parts, false)).added.length === 0);
  const operator = {
    listSearchAttributes: parts.operator.listSearchAttributes.bind(parts.operator),
    addSearchAttributes: refuse(7),
  };
  const create = refuse(7);
  const getHandle: NamespaceParts['schedule']['getHandle'] = (id) => parts.schedule.getHandle(id);
  const reader = { ...parts, operator, schedule: { create, getHandle } };
  expect(await ensureNamespace(reader, false)).toEqual({ added: [], faults: [] });
}, 60_000);

test.each([7, 12])(
  'what we may not add (code %d) is named with its command',
  async (code) => {
    const { parts } = await open(`refused-${code}`);
    const operator = {
      listSearchAttributes: parts.operator.listSearchAttributes.bind(parts.operator),
      addSearchAttributes: refuse(code),
    };
    const getHandle: NamespaceParts['schedule']['getHandle'] = (id) => parts.schedule.getHandle(id);
    const writer = { ...parts, operator, schedule: { create: refuse(code), getHandle } };
    const { added, faults } = await ensureNamespace(writer, true);
    expect(added).toEqual([]);
    const [attributes, schedule] = faults;
    expect(attributes?.code).toBe('search_attributes_missing');
    expect(attributes?.detail).toContain(
      `temporal operator search-attribute create --namespace refused-${code} --name PaymentId --type Keyword --name MerchantId --type Keyword --name Provider --type Keyword --name Currency --type Keyword --name AmountMinor --type Int --name WaitingFor --type Keyword`,
    );
    expect(schedule?.code).toBe('schedule_missing');
    expect(schedule?.detail).toContain('temporal schedule create --namespace');
  },
  60_000,
);

test('where even the look is refused, the worker goes on and says what it cannot see', async () => {
  const { parts } = await open('unseen');
  const operator = { listSearchAttributes: refuse(12), addSearchAttributes: refuse(12) };
  const { faults } = await ensureNamespace({ ...parts, operator }, true);
  expect(faults.map(({ code }) => code)).toEqual(['search_attributes_missing']);
  expect(faults[0]?.detail).toContain('If payments do not start');
}, 60_000);

test('an attribute of another type is named, since every start is refused', async () => {
  const { parts, operator, namespace } = await open('other-type');
  await operator.addSearchAttributes({ namespace, searchAttributes: { AmountMinor: 2 } });
  const typeOf = async () => (await operator.listSearchAttributes({ namespace })).customAttributes;
  await until(async () => (await typeOf())?.AmountMinor === 2);
  const { faults } = await ensureNamespace(parts, true);
  expect(faults[0]?.detail).toMatch(/--name AmountMinor --type Int$/);
}, 60_000);

test('a paused schedule is told', async () => {
  const { parts, handle } = await open('paused-schedule');
  await ensureNamespace(parts, true);
  await handle.pause('for maintenance');
  const { faults } = await ensureNamespace(parts, true);
  expect(faults.map(({ code }) => code)).toEqual(['schedule_paused']);
}, 60_000);

test.each([
  [false, ['schedule_outdated']],
  [true, ['schedule_paused', 'schedule_outdated']],
])(
  'who may not change the schedule is told so (paused: %s)',
  async (isPaused, codes) => {
    const { parts, handle, namespace } = await open(`unchanged-${isPaused}`);
    await ensureNamespace(parts, true);
    if (isPaused) await handle.pause('for maintenance');
    const getHandle: NamespaceParts['schedule']['getHandle'] = (id) =>
      Object.assign(parts.schedule.getHandle(id), { update: refuse(7) });
    const create = refuse(7);
    const reader = {
      ...parts,
      policy: { ...POLICY, interval_ms: 7_200_000 },
      schedule: { create, getHandle },
    };
    const { log, outage } = openLog();
    const watch = createWatch(reader, { pool: database.pool, own: [] }, { log, outage });
    const ofSchedule = () => watch.warnings().filter(({ code }) => code.startsWith('schedule'));
    for (const _look of ['first', 'second']) {
      await watch.look();
      expect(ofSchedule().map(({ code }) => code)).toEqual(codes);
      expect(ofSchedule().at(-1)?.detail).toContain(
        `temporal schedule update --namespace ${namespace} --schedule-id ${SWEEP_SCHEDULE_ID} --interval 7200s `,
      );
    }
    // Somebody who may has changed it.
    await ensureNamespace({ ...parts, policy: reader.policy }, true);
    await watch.look();
    expect(ofSchedule().map(({ code }) => code)).toEqual(codes.slice(0, -1));
  },
  60_000,
);

test('a namespace that is not there stays an error: nothing can be done in it', async () => {
  const { parts } = await open('there-is-one');
  await expect(ensureNamespace({ ...parts, namespace: 'nowhere' }, true)).rejects.toThrow(
    /nowhere/,
  );
}, 60_000);
