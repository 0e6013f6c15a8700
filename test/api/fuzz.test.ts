import fc from 'fast-check';
import { z } from 'zod';
import { PROBLEMS, problemResponse } from '../../api/errors.ts';
import { listProblems, type Operation } from '../../api/operation.ts';
import { OPERATIONS } from '../../api/operations.ts';
import { readPolicies } from '../../config/policies.ts';
import { newId } from '../../db/ids.ts';
import { POLICY_DEFAULTS } from '../../providers/index.ts';
import { MERCHANT } from '../factories.ts';
import { type GoodRequest, openGoodRequests } from './good-requests.ts';
import { openOperator } from './operators.ts';
import { type Answer, openTestApi, type Send, type TestApi } from './server.ts';

/**
 * Good and bad requests to every operation: none is a fault of ours, none is turned away by a
 * limit, and each answer is one that the reference describes (`api.send` holds it against the
 * document). What is complete and good is granted, before and after all that is not. A failure
 * prints the request and the seed that makes it again.
 */
const RUNS_EACH = 40;
/** Hashing passwords would be all that is measured. */
const RUNS_SLOW = 5;
const SLOW = ['signIn', 'changePassword', 'adminCreateOperator', 'adminUpdateOperator'];
/** Where a request has nothing that could be wrong. */
const RUNS_PLAIN = 3;
/** Fixed, so that a run says the same each time; another one asks other things. */
const SEED = 20_261_124;

const NO_LIMIT = { requests: 1_000_000_000, per_ms: 1_000 };
const LIMITS = Object.keys(readPolicies(POLICY_DEFAULTS, null).api.rate_limits);

let api: TestApi;
let admin: Send;
let makeGood: (operation: Operation) => Promise<GoodRequest>;
beforeAll(async () => {
  const rateLimits = Object.fromEntries(LIMITS.map((name) => [name, NO_LIMIT]));
  api = await openTestApi({ rateLimits, policies: { live_keys_max: 1_000_000 } });
  admin = (await openOperator(api, 'admin')).send;
  makeGood = await openGoodRequests(api);
});
afterAll(() => api.close());

const ODD_TEXT = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('', '\0', '\ud800', "' OR 1=1 --", '../..', '%00', '{{x}}', 'a'.repeat(300)),
);
const ODD_VALUE = fc.oneof(
  ODD_TEXT,
  fc.constantFrom(0, -1, 1, 0.5, 2 ** 53, 1e308, 10_000, true, null, [], {}, [[]], '10000'),
  fc.jsonValue({ maxDepth: 3 }),
);
/** Values that are right somewhere: a request with these gets far. */
const GOOD: Readonly<Record<string, readonly unknown[]>> = {
  provider: ['mpesa', 'stripe', 'cpay'],
  amount: [100, 10_000, 5_000],
  currency: ['KES', 'USD'],
  customer: [{}, { phone: '0712345678' }, { email: 'a@example.test' }],
  payment_method: ['pm_card_visa'],
  capture_method: ['automatic', 'manual'],
  metadata: [{}, { order: '17' }],
  reason: ['wrong size'],
  name: ['Web shop'],
  scopes: [['payments:read']],
  email: ['b@example.test'],
  password: ['a long enough password'],
  role: ['viewer'],
  active: [true, false],
  environment: ['simulator', 'sandbox', 'production'],
  credentials: [{}, { secret_key: 'sk_test_12345678' }],
  policy_override: [{}, { callback_wait_ms: 1_000 }],
  limit: [1, 20, 100],
  status: ['succeeded,failed'],
  created_from: ['2026-01-01T00:00:00Z'],
  expires_at: ['2030-01-01T00:00:00Z'],
  phone: ['0712345678'],
  reference: ['ORDER-1234'],
  receipt: ['UJ7A1B2C3D'],
  provider_payment_id: ['ws_CO_1'],
  payment_id: [newId('payment')],
  merchant_id: [MERCHANT.id],
  endpoint_id: [newId('webhook_endpoint')],
  operator_id: [newId('operator')],
  from: ['2026-01-01T00:00:00Z'],
  before: ['2030-01-01T00:00:00Z'],
};
const FIELDS = Object.keys(GOOD);
const GOOD_FIELD = fc
  .constantFrom(...Object.entries(GOOD))
  .chain(([name, values]) => fc.tuple(fc.constant(name), fc.constantFrom(...values)));
const ODD_FIELD = fc.tuple(
  fc.oneof(fc.constantFrom(...FIELDS, '__proto__', 'constructor', 'cursor'), ODD_TEXT),
  ODD_VALUE,
);
const FIELD = fc.oneof({ weight: 4, arbitrary: GOOD_FIELD }, { weight: 1, arbitrary: ODD_FIELD });
type Tree = Readonly<Record<string, unknown>>;
const OBJECT: fc.Arbitrary<Tree> = fc
  .array(FIELD, { maxLength: 8 })
  .map((fields) => Object.fromEntries(fields));

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const fieldsOf = (schema: z.ZodType | null) =>
  schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
const goodFor = (name: string) => {
  const values = Object.hasOwn(GOOD, name) ? GOOD[name] : undefined;
  return values === undefined ? [] : [{ weight: 6, arbitrary: fc.constantFrom(...values) }];
};

/** The same with one field that is odd, missing or too much; within what it holds as well. */
function breakOne(good: Tree, known: readonly string[]): fc.Arbitrary<Tree> {
  return fc.constantFrom('__proto__', 'more', ...known, ...Object.keys(good)).chain((name) => {
    const within = Object.hasOwn(good, name) ? good[name] : undefined;
    const broken = isTree(within) ? [{ weight: 3, arbitrary: breakOne(within, []) }] : [];
    return fc
      .oneof(
        { weight: 3, arbitrary: ODD_VALUE },
        { weight: 1, arbitrary: fc.constant(undefined) },
        ...goodFor(name),
        ...broken,
      )
      .map((value) => ({ ...good, [name]: value }));
  });
}

function bodiesOf({ body: schema }: Operation, good: GoodRequest['body']) {
  if (good === undefined) return fc.constant(undefined);
  const whole = typeof good === 'string' ? good : JSON.stringify(good);
  const tree: Tree = JSON.parse(whole);
  const toText = (body: unknown) => JSON.stringify(body);
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant(whole) },
    { weight: 6, arbitrary: breakOne(tree, fieldsOf(schema)).map(toText) },
    { weight: 2, arbitrary: OBJECT.map(toText) },
    { weight: 1, arbitrary: fc.jsonValue().map(toText) },
    { weight: 1, arbitrary: ODD_TEXT },
  );
}

/** Nothing, what the operation knows with good and bad values, or anything. */
function queriesOf({ query }: Operation): fc.Arbitrary<Tree> {
  const none = { weight: 2, arbitrary: fc.constant({}) };
  const any = { weight: 1, arbitrary: OBJECT };
  if (query === null) return fc.oneof(none, any);
  const { properties = {} } = z.toJSONSchema(query, { io: 'input', unrepresentable: 'any' });
  const known = Object.entries(properties).map(([name, it]) => {
    const names = typeof it === 'object' ? (it.enum ?? []) : [];
    const listed = names.length === 0 ? [] : [{ weight: 6, arbitrary: fc.constantFrom(...names) }];
    const good = [...listed, ...goodFor(name)];
    // What has no good value, such as a cursor, would fault every second request.
    const absent = { weight: 6, arbitrary: fc.constant(undefined) };
    const odd = { weight: 1, arbitrary: ODD_TEXT };
    return [name, fc.oneof(odd, ...(good.length === 0 ? [absent] : good))] as const;
  });
  const some = fc.record(Object.fromEntries(known), { requiredKeys: [] });
  return fc.oneof(none, any, { weight: 5, arbitrary: some });
}

const ID = fc.oneof(
  { weight: 4, arbitrary: fc.constant('known') },
  { weight: 1, arbitrary: fc.constant(newId('payment')) },
  {
    weight: 1,
    arbitrary: ODD_TEXT.filter((text) => text.isWellFormed() && !['', '.', '..'].includes(text)),
  },
);
const KEY = fc.oneof(
  { weight: 3, arbitrary: fc.uuid() },
  {
    weight: 1,
    arbitrary: fc.constantFrom('"quoted"', 'a b', 'é', '4242424242424242', 'k'.repeat(256)),
  },
);

function pathOf({ path }: Operation, good: GoodRequest, id: string, query: Tree): string {
  const filled = id === 'known' ? good.path : path.replaceAll(/\{\w+\}/g, encodeURIComponent(id));
  const parameters = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .map(
      ([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)] as const,
    )
    .filter((pair) => pair.every((text) => text.isWellFormed()));
  const asked = parameters.map((pair) => pair.map(encodeURIComponent).join('=')).join('&');
  return `${filled}?${asked}`;
}

function requireDescribed(operation: Operation, { status, text, headers }: Answer): void {
  const told = `${operation.id} answered ${status}: ${text.slice(0, 500)}`;
  if (status >= 500 || status === 429) throw new Error(told);
  const isProblem = headers.get('content-type')?.includes('problem+json') === true;
  if (!isProblem) {
    if (operation.answers[status] === undefined) throw new Error(`${told} is not described`);
    return;
  }
  const problem = problemResponse.parse(JSON.parse(text));
  const statuses = listProblems(operation).map((code) => PROBLEMS[code].status);
  if (!statuses.some((it) => it === status) && problem.status !== 404) {
    throw new Error(`${told} is not described`);
  }
}

function runsOf({ id, path, query, body }: Operation): number {
  if (SLOW.includes(id)) return RUNS_SLOW;
  const isPlain = query === null && body === null && !path.includes('{');
  return isPlain ? RUNS_PLAIN : RUNS_EACH;
}

test.each(OPERATIONS.map((it) => [it.id, it] as const))(
  '%s',
  async (_id, operation) => {
    const send = operation.access.kind === 'operator' ? admin : api.send;
    const method = operation.method.toUpperCase();
    const requireGranted = async () => {
      const { path, ...sending } = await makeGood(operation);
      const { status, text } = await send(method, path, sending);
      expect(`${status} ${text.slice(0, 300)}`).toMatch(/^2\d\d /);
    };
    await requireGranted();
    const good = await makeGood(operation);
    const asked = fc.record({
      id: ID,
      query: queriesOf(operation),
      body: bodiesOf(operation, good.body),
      key: KEY,
    });
    await fc.assert(
      fc.asyncProperty(asked, async ({ id, query, body, key }) => {
        const answer = await send(method, pathOf(operation, good, id, query), {
          ...(body === undefined ? {} : { body }),
          headers: {
            ...good.headers,
            'idempotency-key': /^[\x20-\x7e]*$/.test(key) ? key : 'other',
          },
        });
        requireDescribed(operation, answer);
      }),
      { numRuns: runsOf(operation), seed: SEED, endOnFailure: true },
    );
    await requireGranted();
  },
  60_000,
);
