import { z } from 'zod';
import { ID_PREFIXES, type IdKind } from '../../domain/id.ts';
import { TIME } from '../shape.ts';

/** An id that looks like one of ours and is nobody's. */
export function exampleId(kind: IdKind): string {
  return `${ID_PREFIXES[kind]}_0193e0d5a1c27d3f8c1e2b3a4d5e6f70`;
}

const HASH = '4f9c1e2b3a4d5e6f708192a3b4c5d6e7';
const PAYMENT_WORKFLOW = `payment-${HASH}`;
const REFUND_WORKFLOW = `refund-${HASH}`;
const WORKFLOW_PAGES = 'http://127.0.0.1:8233/namespaces/default/workflows';

/**
 * What a field holds for example. A name means the same wherever it stands; where it does not, the
 * `object` or the field around it goes before it. What may be null is null unless it stands here.
 */
const FIELDS: Readonly<Record<string, unknown>> = {
  // table
  'activities.type': 'lookup',
  'api_key.id': exampleId('api_key'),
  'audit_entry.action': 'payment.settled',
  'audit_entry.actor': 'workflow',
  'audit_entry.from': 'processing',
  'audit_entry.id': exampleId('audit'),
  'audit_entry.to': 'succeeded',
  'batch.done': 17,
  'batch.id': exampleId('batch'),
  'batch.payments': 42,
  'customer.email': 'a•••@example.com',
  'customer.name': 'A••• N•••',
  'delivery.id': exampleId('delivery'),
  'delivery.status': 'succeeded',
  'dispute.id': 'du_1Q0sandbox',
  'event.data': { id: exampleId('payment'), object: 'payment', status: 'succeeded' },
  'event.id': exampleId('message'),
  'execution.status': 'processing',
  'execution.wait_until': TIME,
  'execution.waiting_for': 'callback',
  'health.status': 'ok',
  'merchant.id': exampleId('merchant'),
  'merchant.name': 'Duka la Mama Njeri',
  'operator.id': exampleId('operator'),
  'operator.name': 'A colleague',
  'operator_act.id': exampleId('act'),
  'operator_act.status': 200,
  'payment.id': exampleId('payment'),
  'proposal.id': exampleId('decision'),
  'provider.callback_proof': 'token',
  'provider.refund': 'async',
  'provider_config.id': exampleId('provider_config'),
  'refund.id': exampleId('refund'),
  'refund.workflow': { id: REFUND_WORKFLOW, url: `${WORKFLOW_PAGES}/${REFUND_WORKFLOW}` },
  'refund_execution.status': 'pending',
  'refund_execution.wait_until': TIME,
  'refund_execution.waiting_for': 'callback',
  'webhook_endpoint.id': exampleId('webhook_endpoint'),
  'webhook_event.id': exampleId('event'),
  'webhook_event.status': 'applied',
  'workflow.id': PAYMENT_WORKFLOW,
  'workflow.status': 'running',
  'workflow.url': `${WORKFLOW_PAGES}/${PAYMENT_WORKFLOW}`,
  access_token: 'eyJhbGciOiJIUzI1NiIs…',
  action: 'adminDecidePayment',
  active: true,
  amount_disputed: 0,
  amount_over: 0,
  amount_refunded: 0,
  amounts: { KES: { min_minor: 100, max_minor: 25_000_000, step_minor: 100 } },
  applied_at: TIME,
  asked: '{"decision":"succeeded","reason":"the portal shows it"}',
  cause: 'callback',
  completed_at: TIME,
  credentials: { api_key: '••••' },
  cursor: '733-42',
  delivered_at: TIME,
  disputes: [],
  other_versions: [],
  delivery_id: exampleId('delivery'),
  details: { provider_code: '0' },
  duration_ms: 84,
  email: 'you@example.com',
  endpoint_active: true,
  endpoint_host: 'shop.example.com',
  endpoint_id: exampleId('webhook_endpoint'),
  environments: ['simulator', 'sandbox', 'production'],
  event_type: 'payment.succeeded',
  event_id: exampleId('message'),
  event_key: 'ws_CO_24112026090000123456',
  event_types: ['payment.succeeded'],
  expires_in: 900,
  explanation: 'The provider has it; its callback is awaited, then it is asked.',
  hash: `${HASH}${HASH}`,
  headers: { 'content-type': 'application/json' },
  history_length: 23,
  idempotency_key: 'order-1234',
  key: 'sk_test_4Xk9…',
  last_used_at: TIME,
  median_ms: 9_200,
  merchant_id: exampleId('merchant'),
  name: 'Web shop, 2026',
  needs: ['phone'],
  operator_id: exampleId('operator'),
  p95_ms: 41_000,
  params: { id: exampleId('payment') },
  payment_id: exampleId('payment'),
  policy: { callback_wait_ms: 30_000 },
  poll_rescued_share: 0.02,
  proposed_by: exampleId('operator'),
  provider_payment_id: 'ws_CO_24112026090000123456',
  provider_receipt: 'UKO7A1B2C3',
  provider_refund_id: 'AG_20261124_00004e7f1a2b3c4d5e6f',
  received_at: TIME,
  reference: 'ORDER-1234',
  refund_id: exampleId('refund'),
  refresh_token: 'rt_…',
  remote_address: '203.0.113.7',
  request_id: exampleId('request'),
  revoked_descendants: [exampleId('api_key')],
  role: 'operator',
  says: 'succeeded',
  scopes: ['payments:read', 'payments:write'],
  status: 'succeeded',
  status_code: 200,
  subject_id: exampleId('payment'),
  success_rate: 0.97,
  surplus: [],
  target: exampleId('payment'),
  type: 'payment.succeeded',
  url: 'https://shop.example.com/malipo',
  user_agent: 'curl/8.7.1',
  verified_by: 'token',
  workflow_id: PAYMENT_WORKFLOW,
};
const BY_FORMAT: Readonly<Record<string, string>> = {
  'date-time': TIME,
  email: 'you@example.com',
  uri: 'https://shop.example.com/',
};
/** What a text is shown as that nobody gave an example; a test finds it. */
export const UNNAMED = 'no example';

type Schema = z.core.JSONSchema.JSONSchema;
type Place = { readonly field: string; readonly within: string };

/** An answer of this shape: the shapes' own examples, put together. */
export function makeExample(shape: z.ZodType): unknown {
  const root: Schema = z.toJSONSchema(shape, { unrepresentable: 'any' });
  return exampleOf(root, { field: '', within: '' }, root.$defs ?? {});
}

type Defs = NonNullable<Schema['$defs']>;

function exampleOf(given: Schema, place: Place, defs: Defs): unknown {
  const schema = resolve(given, defs);
  const named = FIELDS[`${place.within}.${place.field}`] ?? FIELDS[place.field];
  const branches = (schema.anyOf ?? [schema]).map((it) => resolve(toSchema(it), defs));
  if (named !== undefined && branches.some((it) => takes(it, named))) return named;
  if (schema.example !== undefined) return schema.example;
  if (schema.anyOf !== undefined || Array.isArray(schema.type)) return null;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.type === 'object') return exampleOfObject(schema, place, defs);
  if (schema.type === 'array') return exampleOfArray(schema, place, defs);
  return exampleOfScalar(schema);
}

function exampleOfObject(schema: Schema, place: Place, defs: Defs): unknown {
  const fields = Object.entries(schema.properties ?? {});
  const kind = toSchema(schema.properties?.object ?? {}).const;
  const within = typeof kind === 'string' && kind !== 'list' ? kind : place.field;
  return Object.fromEntries(
    fields.map(([field, it]) => [field, exampleOf(toSchema(it), { field, within }, defs)]),
  );
}

function exampleOfArray({ items }: Schema, place: Place, defs: Defs): unknown {
  if (items === undefined || Array.isArray(items)) return [];
  return [exampleOf(toSchema(items), place, defs)];
}

function exampleOfScalar({ type, format = '', minimum = 0 }: Schema): unknown {
  if (type === 'string') return BY_FORMAT[format] ?? UNNAMED;
  if (type === 'integer' || type === 'number') return Math.max(minimum, 1);
  return type === 'boolean' ? false : null;
}

function resolve(schema: Schema, defs: Defs): Schema {
  const name = schema.$ref?.split('/').at(-1);
  return name === undefined ? schema : toSchema(defs[name] ?? {});
}

function toSchema(schema: Schema | boolean): Schema {
  return typeof schema === 'boolean' ? {} : schema;
}

/** Whether a named example is of the type that stands here. */
function takes({ type, enum: names, const: only }: Schema, example: unknown): boolean {
  if (only !== undefined) return only === example;
  if (names !== undefined) return names.some((name) => name === example);
  const types: readonly (string | undefined)[] = Array.isArray(type) ? type : [type];
  if (Array.isArray(example)) return types.includes('array');
  return types.includes(typeof example) || (types.includes('integer') && Number.isInteger(example));
}
