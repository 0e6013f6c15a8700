import type { ApiDeps } from '../../api/deps.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';

/** What an operator is told of a batch whose start may have come through or not. */
let api: TestApi;
let operator: Send;
const start = async (adapt: (deps: ApiDeps) => ApiDeps = (deps) => deps) => {
  api = await openTestApi({ adapt });
  operator = (await openOperator(api, 'operator')).send;
};
afterEach(() => api.close());

const begin = () =>
  operator('POST', '/api/v1/admin/providers/mpesa/batches', {
    body: { action: 'look_up', reason: 'M-Pesa is back' },
  });
const change = (changes: (engine: ApiDeps['engine']) => Partial<ApiDeps['engine']>) =>
  start((deps) => ({ ...deps, engine: { ...deps.engine, ...changes(deps.engine) } }));
/** It begins, and nobody hears of it. */
const lose = (engine: ApiDeps['engine']) => ({
  startBatch: async (...given: Parameters<typeof engine.startBatch>) => {
    await engine.startBatch(...given);
    return false;
  },
});

test('one whose start was answered has begun, also when it cannot be looked at then', async () => {
  await change(() => ({ findBatch: () => Promise.resolve(null) }));
  expect(await begin()).toMatchObject({ status: 202, body: { object: 'batch', payments: 0 } });
  expect(api.engine.batches).toHaveLength(1);
});

test('one whose start was not answered, and that is there, has begun', async () => {
  await change(lose);
  const begun = await begin();
  expect(begun).toMatchObject({ status: 202, body: { object: 'batch', status: 'running' } });
  const [batch] = api.engine.batches;
  expect(begun.body.id).toBe(batch?.id);
  expect((await operator('GET', `/api/v1/admin/batches/${batch?.id}`)).status).toBe(200);
});

test('one that is not there may be behind another, or still come: so its id is told', async () => {
  let id = '';
  await change(() => ({
    startBatch: (given) => {
      id = given;
      return Promise.resolve(false);
    },
  }));
  const answer = await begin();
  expect(answer).toMatchObject({ status: 503, body: { code: 'temporarily_unavailable' } });
  expect(answer.body.detail).toContain('another batch may be running');
  expect(answer.body.detail).toContain(`GET /api/v1/admin/batches/${id}`);
  for (const untrue of ['does not answer', 'nothing has begun']) {
    expect(answer.body.detail).not.toContain(untrue);
  }
});

test('of one that nobody could look for, the id is told, and that it may have begun', async () => {
  await change((engine) => ({ ...lose(engine), findBatch: () => Promise.resolve(null) }));
  const { status, body } = await begin();
  expect([status, body.code]).toEqual([503, 'temporarily_unavailable']);
  expect(body.detail).toContain(`GET /api/v1/admin/batches/${api.engine.batches[0]?.id}`);
  expect(body.detail).not.toContain('nothing has begun');
});

test('while Temporal is away, a look at a batch says so and no more', async () => {
  await start();
  api.engine.workflows = 'away';
  const { status, body } = await operator('GET', '/api/v1/admin/batches/bat_1');
  expect([status, body.detail]).toEqual([503, 'Temporal does not answer; try again']);
});
