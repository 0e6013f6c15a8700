import { OPERATIONS } from '../../api/operations.ts';
import { exampleOf } from '../../api/reference/postman.ts';
import { newId } from '../../db/ids.ts';
import { findLatestCursor, listEvents } from '../../db/outgoing-events.ts';
import { ID_PREFIXES, type IdKind } from '../../domain/id.ts';
import { fillPath, type Seeds, storeOneOfEach } from './seeds.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';

/**
 * What is another merchant's and what is nobody's must not be told apart, by the clock either: the
 * same statements are asked, and the same is answered.
 */
const statements: string[] = [];
let api: TestApi;
let other: Send;
let seeds: Seeds;
/** What the live feed asks meanwhile, of its own accord. */
let ofFeed: readonly string[];
beforeAll(async () => {
  api = await openTestApi({ adapt: (deps) => ({ ...deps, pool: listenTo(deps.pool) }) });
  const feed = listenTo(api.pool);
  statements.length = 0;
  const after = await findLatestCursor(feed);
  await listEvents(feed, { merchantId: null, paymentId: null, after, limit: 1 });
  ofFeed = [...statements];
  seeds = await storeOneOfEach(api);
  other = (await api.openMerchant()).send;
});
afterAll(() => api.close());

/** Writes down each statement that goes through it, those of its transactions as well. */
function listenTo<T extends object>(connection: T): T {
  return new Proxy(connection, {
    get(target, name) {
      const own: unknown = Reflect.get(target, name);
      if (typeof own !== 'function') return own;
      return (...given: readonly unknown[]) => {
        const passed = given.map((it) => (typeof it === 'function' ? hearWithin(it) : it));
        for (const it of passed) if (isStatement(it)) statements.push(it.sql);
        const answer: unknown = Reflect.apply(own, target, passed);
        return answer;
      };
    },
  });
}
type Handler = (connection: object) => unknown;
const hearWithin = (handler: object) => (connection: object) =>
  isHandler(handler) ? handler(listenTo(connection)) : handler;
const isHandler = (it: object): it is Handler => typeof it === 'function';
const isStatement = (it: unknown): it is { readonly sql: string } =>
  typeof it === 'object' && it !== null && 'sql' in it && typeof it.sql === 'string';

const OF_ONE = OPERATIONS.filter(
  ({ access, path }) => access.kind === 'merchant' && path.includes('{id}'),
);
const isKind = (kind: string): kind is IdKind => Object.hasOwn(ID_PREFIXES, kind);
/** An id of the same kind that nothing has. */
function makeUnknown(id: string): string {
  const [kind = ''] = Object.entries(ID_PREFIXES).find(([, it]) => id.startsWith(`${it}_`)) ?? [];
  if (!isKind(kind)) throw new Error(`${id} is no id`);
  return newId(kind);
}

test.each(OF_ONE.map((it) => [it.id, it] as const))('%s', async (_id, operation) => {
  const unknown = Object.fromEntries(
    Object.entries(seeds)
      .filter(([noun]) => operation.path.includes(`/${noun}/{id}`))
      .map(([noun, id]) => [noun, makeUnknown(id)]),
  );
  const ask = async (ids: Seeds) => {
    statements.length = 0;
    const sending = operation.body === null ? {} : { body: exampleOf(operation) as object };
    const path = fillPath(operation.path, ids);
    const answer = await other(operation.method.toUpperCase(), path, sending);
    const { request_id: _its, ...told } = answer.body;
    return { status: answer.status, told, asked: statements.filter((it) => !ofFeed.includes(it)) };
  };
  const foreign = await ask(seeds);
  expect(foreign).toMatchObject({ status: 404, told: { code: 'not_found' } });
  expect(foreign.asked.length).toBeGreaterThan(1);
  expect(await ask(unknown)).toEqual(foreign);
});
