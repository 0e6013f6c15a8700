import { insertTestDelivery } from '../../db/deliveries.ts';
import { recordDeliveryAttempt } from '../../db/delivery-runs.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { findEndpoint, updateEndpoint } from '../../db/webhook-endpoints.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, storeEndpoint } from '../factories.ts';

const DAY_MS = 86_400_000;

let database: TestDatabase;
let endpointId: string;
beforeEach(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
  endpointId = await openEndpoint();
});
afterEach(() => database.close());

async function openEndpoint(eventTypes: readonly string[] = []): Promise<string> {
  return (await storeEndpoint(database.pool, { eventTypes })).endpoint.id;
}

/** Writes down one try to deliver something to the endpoint. */
async function tryOnce(statusCode: number | null) {
  const { pool } = database;
  const endpoint = { id: endpointId, merchantId: MERCHANT.id };
  return await recordDeliveryAttempt(pool, {
    deliveryId: await insertTestDelivery(pool, endpoint),
    endpointId,
    durationMs: 1,
    statusCode,
    error: statusCode === null ? 'no answer in time' : null,
    response: null,
    isDelivered: statusCode === 200,
    goneReason: statusCode === 410 ? 'it answered 410 Gone' : null,
    scheduleMs: [5_000],
    disableAfterMs: 5 * DAY_MS,
  });
}
const failedFirst = (days: number) =>
  database.queryAsOwner(
    "UPDATE webhook_endpoints SET failing_since = now() - $1 * interval '1 day' WHERE id = $2",
    [days, endpointId],
  );
const findIt = () => findEndpoint(database.pool, MERCHANT.id, endpointId);
const listTold = () =>
  database.queryAsOwner<{ data: object; told: string | null }>(
    `SELECT e.data, d.endpoint_id AS told FROM outgoing_events e
     LEFT JOIN deliveries d ON d.event_id = e.id WHERE e.type = 'endpoint.disabled'`,
  );

const OFF = 'nothing could be delivered for too long';

test('after five days without a success it is off, and the other endpoints are told', async () => {
  const other = await openEndpoint();
  await openEndpoint(['payment.succeeded']);
  await failedFirst(6);
  expect(await tryOnce(500)).toMatchObject({ status: 'pending', disabledReason: OFF });
  expect(await findIt()).toMatchObject({ active: false, disabled_reason: OFF });
  expect(await listTold()).toEqual([
    {
      told: other,
      data: {
        object: 'webhook_endpoint',
        id: endpointId,
        description: null,
        disabled_reason: OFF,
        failing_since: (await findIt())?.failing_since,
      },
    },
  ]);
});

test.each([
  [4, 500],
  [4, null],
  [6, 200],
])(
  'failing for %d days and then answering %s it stays on, and nobody is told',
  async (days, statusCode) => {
    await failedFirst(days);
    expect((await tryOnce(statusCode)).disabledReason).toBeNull();
    expect((await findIt())?.active).toBe(true);
    expect(await listTold()).toEqual([]);
  },
);

test('a success in between begins the time anew', async () => {
  await failedFirst(6);
  await tryOnce(200);
  await tryOnce(500);
  const found = await findIt();
  expect(found?.active).toBe(true);
  expect(Date.now() - Date.parse(found?.failing_since ?? '')).toBeLessThan(DAY_MS);
});

test('410 Gone switches off at once, and ends the delivery', async () => {
  const reason = 'it answered 410 Gone';
  expect(await tryOnce(410)).toMatchObject({ status: 'failed', disabledReason: reason });
  expect(await findIt()).toMatchObject({ active: false, disabled_reason: reason });
  expect(await listTold()).toMatchObject([{ told: null, data: { disabled_reason: reason } }]);
});

test.each([1, 2, 3, 4])('many tries that fail at once tell it once (%i)', async () => {
  await failedFirst(6);
  const tried = await Promise.all(Array.from({ length: 8 }, () => tryOnce(500)));
  expect(tried.filter(({ disabledReason }) => disabledReason !== null)).toHaveLength(1);
  expect(await listTold()).toHaveLength(1);
});

test('what its merchant switches off is no news; switched on, it begins anew', async () => {
  await updateEndpoint(database.pool, endpointId, { active: false });
  await failedFirst(6);
  expect((await tryOnce(500)).disabledReason).toBeNull();
  expect(await listTold()).toEqual([]);
  await updateEndpoint(database.pool, endpointId, { active: true });
  expect((await tryOnce(500)).disabledReason).toBeNull();
  expect(await findIt()).toMatchObject({ active: true, disabled_reason: null });
});
