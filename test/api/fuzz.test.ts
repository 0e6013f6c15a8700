import fc from 'fast-check';
import { PROBLEMS, problemShape } from '../../api/errors.ts';
import { listProblems, type Operation } from '../../api/operation.ts';
import { OPERATIONS } from '../../api/operations.ts';
import { newId } from '../../db/ids.ts';
import { storePaymentIn } from '../factories.ts';
import { openOperator } from './operators.ts';
import { type Answer, openTestApi, type Send, type TestApi } from './server.ts';

/**
 * Good and bad requests to every operation: none is a fault of ours, and each answer is one that
 * the reference describes. A failure prints the request and the seed that makes it again.
 */
const RUNS_EACH = 60;
/** Fixed, so that a run says the same each time; another one asks other things. */
const SEED = 20_261_124;

let api: TestApi;
let admin: Send;
let paymentId: string;
beforeAll(async () => {
  api = await openTestApi();
  admin = (await openOperator(api, 'admin')).send;
  paymentId = (await storePaymentIn(api.pool, 'succeeded')).id;
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
/** Values that are right somewhere: a body of these gets far. */
const GOOD = {
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
} as const;
const FIELDS = Object.keys(GOOD);
const GOOD_FIELD = fc
  .constantFrom(...Object.entries(GOOD))
  .chain(([name, values]) => fc.tuple(fc.constant(name), fc.constantFrom<unknown>(...values)));
const ODD_FIELD = fc.tuple(
  fc.oneof(fc.constantFrom(...FIELDS, '__proto__', 'constructor', 'cursor'), ODD_TEXT),
  ODD_VALUE,
);
const FIELD = fc.oneof({ weight: 4, arbitrary: GOOD_FIELD }, { weight: 1, arbitrary: ODD_FIELD });
const OBJECT = fc.array(FIELD, { maxLength: 8 }).map((fields) => Object.fromEntries(fields));
const BODY = fc.oneof(
  { weight: 8, arbitrary: OBJECT.map((body) => JSON.stringify(body)) },
  { weight: 1, arbitrary: fc.jsonValue().map((body) => JSON.stringify(body)) },
  { weight: 1, arbitrary: ODD_TEXT },
);
const ID = fc.oneof(
  fc.constant('known'),
  fc.constant('unknown'),
  ODD_TEXT.filter((text) => text.isWellFormed() && !['', '.', '..'].includes(text)),
);
const KEY = fc.oneof(
  fc.uuid(),
  fc.constantFrom('"quoted"', 'a b', 'é', '4242424242424242', 'k'.repeat(256)),
);
const REQUEST = fc.record({ id: ID, query: OBJECT, body: BODY, key: KEY });
type Request = { id: string; query: Record<string, unknown>; body: string; key: string };

function pathOf({ path }: Operation, { id, query }: Request): string {
  const known = id === 'known' ? paymentId : newId('payment');
  const given = ['known', 'unknown'].includes(id) ? known : encodeURIComponent(id);
  const parameters = Object.entries(query)
    .map(
      ([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)] as const,
    )
    .filter((pair) => pair.every((text) => text.isWellFormed()));
  const asked = parameters.map((pair) => pair.map(encodeURIComponent).join('=')).join('&');
  const filled = path.replace('{provider}', 'stripe').replaceAll(/\{\w+\}/g, given);
  return `${filled}?${asked}`;
}

function requireDescribed(operation: Operation, { status, text, headers }: Answer): void {
  const told = `${operation.id} answered ${status}: ${text.slice(0, 500)}`;
  if (status >= 500) throw new Error(told);
  const isProblem = headers.get('content-type')?.includes('problem+json') === true;
  if (!isProblem) {
    if (operation.answers[status] === undefined) throw new Error(`${told} is not described`);
    return;
  }
  const problem = problemShape.parse(JSON.parse(text));
  const statuses = listProblems(operation).map((code) => PROBLEMS[code].status);
  if (!statuses.some((it) => it === status) && problem.status !== 404) {
    throw new Error(`${told} is not described`);
  }
}

// Hashing a password for each of many requests would be all that is measured.
const FUZZED = OPERATIONS.filter(({ id }) => !['signIn', 'getDocsFile'].includes(id));
test.each(FUZZED.map((it) => [it.id, it] as const))(
  '%s',
  async (_id, operation) => {
    const send = operation.access.kind === 'operator' ? admin : api.send;
    await fc.assert(
      fc.asyncProperty(REQUEST, async (request) => {
        const answer = await send(operation.method.toUpperCase(), pathOf(operation, request), {
          ...(operation.body === null ? {} : { body: request.body }),
          headers: {
            'content-type': 'application/json',
            'idempotency-key': /^[\x20-\x7e]*$/.test(request.key) ? request.key : 'other',
          },
        });
        requireDescribed(operation, answer);
      }),
      { numRuns: RUNS_EACH, seed: SEED, endOnFailure: true },
    );
  },
  60_000,
);
