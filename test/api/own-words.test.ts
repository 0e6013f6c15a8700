import { z } from 'zod';
import { ApiError } from '../../api/errors.ts';
import { WITHOUT_NAMES } from '../../api/middleware/neighbours.ts';
import { type Part, validate } from '../../api/middleware/validate.ts';
import { OPERATIONS } from '../../api/operations.ts';
import { createPaymentBody, listPaymentsQuery } from '../../api/payments/schema.ts';
import { overlayPolicy } from '../../config/policies.ts';
import { PROVIDERS } from '../../providers/index.ts';

/** Wrong requests are told in our own words where they are wrong, and how to correct them. */

/** What zod says by itself. */
const FOREIGN = /invalid|expected|, received|too (big|small)|unrecognized|[<>]=|undefined|nan\b/i;

type Schema = z.core.JSONSchema.JSONSchema;
const WRONG: readonly unknown[] = [
  5,
  -1,
  1.5,
  true,
  null,
  '',
  'nonsense',
  'x'.repeat(20_000),
  [],
  ['a', 'b'],
  {},
  { a: { b: 1 } },
  Array.from({ length: 500 }, () => 'a'),
  Number.MAX_VALUE,
];

/** A request of this shape with each field wrong in each way, and with each field left out. */
function listWrong(schema: z.ZodType): readonly unknown[] {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', ...WITHOUT_NAMES });
  const { example } = root;
  const good = typeof example === 'object' && example !== null ? example : {};
  return [...WRONG, { nonsense: 1 }, ...vary(root, (field) => ({ ...good, ...field }))];
}

function vary({ properties = {} }: Schema, put: (field: object) => unknown): readonly unknown[] {
  return Object.entries(properties).flatMap(([name, field]) => [
    ...[undefined, ...WRONG].map((value) => put({ [name]: value })),
    ...(typeof field === 'boolean'
      ? []
      : vary(field, (inner) => put({ [name]: { nonsense: 1, ...inner } }))),
  ]);
}

const faultsOf = (schema: z.ZodType, value: unknown, part: Part) => {
  try {
    validate(schema, value, part);
    return null;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
};

const INHERITED = ['constructor', 'toString', 'hasOwnProperty', 'valueOf'];

const TAKING = OPERATIONS.flatMap(({ id, query, body }) => [
  ...(query === null ? [] : [[id, 'query', query] as const]),
  ...(body === null ? [] : [[id, 'body', body] as const]),
]);

test.each(TAKING)('%s: what every object has is no field of its %s', (_id, part, schema) => {
  for (const name of INHERITED) {
    const places = faultsOf(schema, { [name]: 1 }, part)?.faults.map(({ pointer }) => pointer);
    expect(places).toContain(`/${name}`);
  }
});

test.each(TAKING)(
  '%s: no fault of its %s is told in the words of a library',
  (_id, part, schema) => {
    const refused = listWrong(schema).map((value) => faultsOf(schema, value, part));
    const problems = refused.filter((it) => it !== null);
    expect(problems.length).toBeGreaterThan(5);
    for (const { message, faults } of problems) {
      expect(message.replaceAll(/nonsense/g, '')).not.toMatch(FOREIGN);
      // Each detail begins with the place of its fault.
      const told = faults.map(({ pointer, detail }) => `${pointer || 'body'} ${detail}`);
      expect(message).toBe(told.join('; '));
    }
  },
);

test.each(Object.values(PROVIDERS))(
  '$name: its credentials and its policy are told in our words',
  (it) => {
    const fields = [
      'base_url',
      'api_key',
      'secret_key',
      'webhook_secrets',
      'passkey',
      'short_code',
    ];
    const wrong = ['', 'x', 'not an address', 'a b', 'x'.repeat(9_000)].flatMap((value) =>
      fields.map((field) => ({ [field]: value })),
    );
    const readings = wrong.map((record) => it.readCredentials(record));
    const ofCredentials = readings.flatMap((reading) => (reading.ok ? [] : reading.faults));
    const overrides = [
      ...Object.keys(it.policy).flatMap((key) => WRONG.map((value) => ({ [key]: value }))),
      ...WRONG.map((value) => ({
        charge: { timeout_ms: value },
        lookup: { poll_interval_ms: [value] },
      })),
    ];
    const ofPolicy = overrides.flatMap((over) => {
      const overlaid = overlayPolicy(it.policy, over);
      return overlaid.ok ? [] : overlaid.faults.map(({ detail }) => detail);
    });
    for (const told of [ofCredentials, ofPolicy]) {
      expect(told.length).toBeGreaterThan(10);
      for (const fault of told) expect(fault).not.toMatch(FOREIGN);
    }
  },
);

const GOOD = { provider: 'mpesa', amount: 10_000, currency: 'KES' };
// biome-ignore format: table, one case per line
test.each<readonly [string, object, string]>([
  ['a phone that is a number', { ...GOOD, customer: { phone: 254712345678 } }, '/customer/phone must be a text in quotes'],
  ['a customer that is a text', { ...GOOD, customer: '0712345678' }, '/customer must be an object in braces, such as {"name": "value"}'],
  ['an e-mail address', { ...GOOD, customer: { email: 'njeri' } }, '/customer/email must be an e-mail address, such as you@example.com'],
  ['a return address', { ...GOOD, return_url: '/back' }, '/return_url must be an address with http:// or https://, such as https://shop.example.com/thanks'],
  ['a method', { ...GOOD, capture_method: 'later' }, '/capture_method must be one of automatic, manual'],
  ['a phone at the top', { ...GOOD, phone: '0712345678' }, '/phone is not a field here; did you mean /customer/phone?'],
  ['another word for it', { ...GOOD, msisdn: '0712345678' }, '/msisdn is not a field here; did you mean /customer/phone?'],
  ['another spelling', { ...GOOD, returnUrl: 'https://a.example' }, '/returnUrl is not a field here; did you mean /return_url?'],
  ['a slip', { ...GOOD, refrence: 'A1' }, '/refrence is not a field here; did you mean /reference?'],
  ['a card', { ...GOOD, card: 'tok_1' }, '/card is not a field here; did you mean /payment_method?'],
  ['what is like nothing', { ...GOOD, customer: { shoe: 44 } }, '/customer/shoe is not a field here; it takes id, phone, email, name'],
])('%s is told with what was meant', (_what, body, told) => {
  expect(faultsOf(createPaymentBody, body, 'body')?.message).toBe(told);
});

const PARAMETERS =
  'limit, cursor, status, provider, phone, reference, created_from, created_before';
// biome-ignore format: table, one case per line
test.each<readonly [object, string]>([
  [{ limit: '0' }, '/limit must be 1 or more'],
  [{ limit: '101' }, '/limit must be at most 100'],
  [{ limit: 'ten' }, '/limit must be a number'],
  [{ limit: '1.5' }, '/limit must be a whole number'],
  [{ status: 'paid' }, '/status must be one of created, processing, requires_action, authorized, needs_review, succeeded, failed, canceled, or several of them with commas'],
  [{ phone: ['0712345678', '0722000000'] }, '/phone is given more than once'],
  [{ page: '2' }, '/page is not a parameter here; did you mean /cursor?'],
  [{ from: '2026-11-30' }, '/from is not a parameter here; did you mean /created_from?'],
  [{ sort: 'up' }, `/sort is not a parameter here; it takes ${PARAMETERS}`],
  [{ 'metadata[order]': '17' }, `/metadata[order] is not a parameter here; it takes ${PARAMETERS}`],
])('payments listed by %j', (query, told) => {
  expect(faultsOf(listPaymentsQuery, query, 'query')?.message).toBe(told);
});
