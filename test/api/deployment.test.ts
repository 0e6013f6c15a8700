import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { watchDeployment } from '../../api/health/deployment.ts';
import { createLog } from '../../config/log.ts';
import { readPolicies } from '../../config/policies.ts';
import { type DatabaseSettings, risksOf } from '../../db/deployment.ts';
import { markSweepRound } from '../../db/sweep-rounds.ts';
import { paymentInput } from '../../domain/inputs.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import { createEngine } from '../../temporal/engine.ts';
import { storePaymentIn } from '../factories.ts';
import { keepLog } from '../kept-log.ts';
import { openNamespace, temporalAddress } from '../temporal.ts';
import { type Body, openTestApi, type TestApi } from './server.ts';

/** What of a deployment can lose payments is told, though payments are taken. */
let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
beforeEach(() => api.engine.reset());
afterAll(() => api.close());

const health = async () => (await api.send('GET', '/api/v1/health')).body;
const codesOf = ({ warnings }: Body) =>
  Array.isArray(warnings) ? warnings.map((it: { code: string }) => it.code) : [];

const SAFE: DatabaseSettings = {
  synchronous_commit: 'on',
  synchronous_standby_names: '',
  fsync: 'on',
  full_page_writes: 'on',
  has_standby: false,
};
const NAMES = { synchronous_standby_names: 'ANY 1 (a, b)', has_standby: true };
// biome-ignore format: table, one case per line
test.each<readonly [string, Partial<DatabaseSettings>, readonly string[]]>([
  ['one server', {}, []],
  ['a synchronous standby', NAMES, []],
  ['one that is waited for, though not to its disk', { ...NAMES, synchronous_commit: 'remote_write' }, []],
  ['one that is waited for until it shows it', { ...NAMES, synchronous_commit: 'remote_apply' }, []],
  ['an asynchronous standby', { has_standby: true }, ['failover_loses_payments']],
  ['a standby that is named and not waited for', { ...NAMES, synchronous_commit: 'local' }, ['failover_loses_payments']],
  ['commits that wait for nothing', { synchronous_commit: 'off' }, ['crash_loses_payments']],
  ['a disk that is not waited for', { fsync: 'off' }, ['crash_loses_payments']],
  ['half-written pages', { full_page_writes: 'off' }, ['crash_loses_payments']],
  ['all of it', { synchronous_commit: 'off', has_standby: true }, ['crash_loses_payments', 'failover_loses_payments']],
])('%s', (_what, changes, codes) => {
  expect(risksOf({ ...SAFE, ...changes }).map(({ code }) => code)).toEqual(codes);
});

test('the settings of the database are read as they are, and stand in /readyz', async () => {
  // The tests' server is quick and unsafe; a standby begins with such a connection.
  const settings = { connectionString: api.database.adminUrl, replication: 'true' };
  const standby = new pg.Client(settings);
  await standby.connect();
  const told = codesOf(await health());
  await standby.end();
  expect(told).toEqual(expect.arrayContaining(['crash_loses_payments', 'failover_loses_payments']));
  const { status, body } = await api.send('GET', '/readyz');
  expect([status, body.status]).toEqual([200, 'ok']);
  expect(codesOf(body)).toEqual(told);
});

test('the age of the sweeper’s last round is told, and whether it is late', async () => {
  expect(await health()).toMatchObject({
    status: 'degraded',
    components: { sweeper: 'unavailable' },
    last_sweep_age_seconds: null,
  });
  await markSweepRound(api.pool, 'unstarted');
  expect(codesOf(await health())).toContain('sweeper_late');
  await markSweepRound(api.pool, 'undelivered');
  expect(await health()).toMatchObject({ status: 'ok', components: { sweeper: 'ok' } });
  await api.database.queryAsOwner(
    `UPDATE sweep_rounds SET ended_at = now() - interval '121 seconds' WHERE part = 'unstarted'`,
  );
  const late = await health();
  expect(late).toMatchObject({ status: 'degraded', components: { sweeper: 'unavailable' } });
  expect(late.last_sweep_age_seconds).toBeGreaterThanOrEqual(121);
  expect(codesOf(late)).toContain('sweeper_late');
  expect(
    await api.metrics.registry.getSingleMetricAsString('malipo_last_sweep_age_seconds'),
  ).toMatch(/^malipo_last_sweep_age_seconds 12\d$/m);
});

test('a warning about the sweeper goes soon after its first round', async () => {
  await api.database.queryAsOwner('DELETE FROM sweep_rounds');
  const log = createLog('api', 'silent');
  const policies = readPolicies({}, null);
  const { pool, engine } = api;
  const deployment = watchDeployment({ pool, engine, policies, own: [], log });
  const stop = new AbortController();
  const watching = deployment.run(stop.signal);
  try {
    const isLate = () => deployment.state().warnings.some(({ code }) => code === 'sweeper_late');
    await deployment.look();
    expect(isLate()).toBe(true);
    for (const part of ['unstarted', 'undelivered'] as const) await markSweepRound(pool, part);
    while (isLate()) await sleep(100);
  } finally {
    stop.abort();
    await watching;
  }
}, 30_000);

test('a look that gets no answer takes no warning back', async () => {
  await api.database.queryAsOwner('DELETE FROM sweep_rounds');
  const { log, lines } = keepLog('info');
  let isUnavailable = false;
  const answer = <T>(found: () => Promise<T>) =>
    isUnavailable ? Promise.reject(new Error('away')) : found();
  const lacking = [{ code: 'schedule_paused', detail: 'It is paused.' }] as const;
  const engine = {
    findNamespaceWarnings: () => answer(() => Promise.resolve(lacking)),
    findFairness: () => answer(() => Promise.resolve('off' as const)),
  };
  const one: typeof api.pool.one = (query) => answer(() => api.pool.one(query));
  const pool = { ...api.pool, one };
  const policies = readPolicies({}, null);
  const deployment = watchDeployment({ pool, engine, policies, own: [], log });
  const before = (await deployment.look()).warnings;
  isUnavailable = true;
  const after = await deployment.look();
  expect(after).toEqual({ sweepAgeSeconds: null, fairness: null, warnings: before });
  expect(before.map(({ code }) => code)).toEqual(
    expect.arrayContaining([
      'schedule_paused',
      'sweeper_late',
      'fairness_off',
      'crash_loses_payments',
    ]),
  );
  expect(lines().map(({ level }) => level)).toEqual(before.map(() => 'warn'));
});

test.each([
  // table
  ['ask', 'on', []],
  ['ask', 'off', ['fairness_off']],
  ['ask', 'unknown', ['fairness_unknown']],
  // Whoever runs the server knows it better than a server that cannot be asked.
  ['on', 'unknown', []],
  ['off', 'on', ['fairness_off']],
] as const)(
  'stated %s, asked %s: a server without turns is warned of',
  async (stated, asked, codes) => {
    const { api: own, ...others } = readPolicies({}, null);
    const waiting_charges = { ...own.waiting_charges, fairness: stated };
    const policies = { ...others, api: { ...own, waiting_charges } };
    api.engine.fairness = asked;
    const { pool, engine } = api;
    const log = createLog('api', 'silent');
    const deployment = watchDeployment({ pool, engine, policies, own: [], log });
    const { warnings } = await deployment.look();
    const found = warnings.map(({ code }) => code).filter((code) => code.startsWith('fairness'));
    expect(found).toEqual(codes);
  },
);

test.each([
  ['schedule_missing', 'unavailable'],
  ['schedule_paused', 'unavailable'],
  ['search_attributes_missing', 'ok'],
] as const)('what the namespace lacks is told by name: %s', async (code, sweeper) => {
  for (const part of ['unstarted', 'undelivered'] as const) await markSweepRound(api.pool, part);
  expect(await health()).toMatchObject({ status: 'ok', components: { sweeper: 'ok' } });
  api.engine.lacking = [{ code, detail: 'It is missing.' }];
  const found = await health();
  expect(found).toMatchObject({ status: 'degraded', components: { sweeper } });
  expect(codesOf(found)).toContain(code);
  expect(codesOf((await api.send('GET', '/readyz')).body)).toContain(code);
});

test('a start that Temporal refuses says in the log what the namespace lacks', async () => {
  const namespace = `bare-${randomUUID()}`;
  await openNamespace(namespace);
  const connection = await Connection.connect({ address: temporalAddress() });
  const { log, lines } = keepLog('info');
  const engine = createEngine(new Client({ connection, namespace }), connection, null, log);
  const missing = await engine.findNamespaceWarnings();
  expect(missing.map(({ code }) => code)).toEqual([
    'search_attributes_missing',
    'schedule_missing',
  ]);
  expect(missing[0]?.detail).toContain(
    'PaymentId, MerchantId, Provider, Currency, AmountMinor, WaitingFor',
  );
  const payment = await storePaymentIn(api.pool, 'created');
  expect(await engine.startPayment(paymentInput(payment, capabilitiesOf), 10_000)).toBe(false);
  expect(lines()).toEqual([
    expect.objectContaining({
      level: 'error',
      workflow_id: payment.workflowId,
      missing: missing.map(({ detail }) => detail),
    }),
  ]);
  await connection.close();
}, 40_000);
