import { PROBLEM_CODES, PROBLEMS } from '../../api/errors.ts';
import { METHODS, type Operation } from '../../api/operation.ts';
import { OPERATIONS } from '../../api/operations.ts';
import { exampleOf } from '../../api/reference/postman.ts';
import { makeApiKey } from '../../db/api-key.ts';
import { newId } from '../../db/ids.ts';
import { ensureApiKey } from '../../db/merchants.ts';
import { SCOPE_NAMES } from '../../domain/access.ts';
import { WEBHOOK_EVENT_TYPES } from '../../domain/outgoing-event.ts';
import { PROVIDER_NAMES } from '../../providers/index.ts';
import { MERCHANT, storePaymentIn } from '../factories.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';

/** The reference says what the routes do; every endpoint is asked by everybody. */
let api: TestApi;
let viewer: Send;
beforeAll(async () => {
  api = await openTestApi();
  viewer = (await openOperator(api, 'viewer')).send;
});
afterAll(() => api.close());

type Described = {
  readonly operationId: string;
  readonly security: readonly object[];
  readonly responses: Readonly<Record<string, { readonly headers?: object }>>;
};
const readDocument = async () => {
  const { text } = await api.send('GET', '/openapi.json');
  const document: {
    readonly openapi: string;
    readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
    readonly webhooks: Readonly<Record<string, unknown>>;
    readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
  } = JSON.parse(text);
  return document;
};

test('the document and the routes are one list', async () => {
  const { openapi, paths } = await readDocument();
  expect(openapi).toBe('3.1.0');
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    METHODS.flatMap((method) => (method in methods ? [`${method} ${path}`] : [])),
  );
  const declared = OPERATIONS.map(({ method, path }) => `${method} ${path}`);
  expect(described.toSorted()).toEqual(declared.toSorted());
  const ids = OPERATIONS.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test('it names shapes once, providers as they are, and no secret', async () => {
  const { components } = await readDocument();
  expect(Object.keys(components.schemas)).toEqual(
    expect.arrayContaining(['Payment', 'Refund', 'Problem', 'ProviderConfig', 'ApiKey']),
  );
  expect(components.schemas.Payment).toMatchObject({
    properties: { provider: { enum: PROVIDER_NAMES } },
  });
});

test('each body has an example, and it is one that the operation takes', async () => {
  const { paths } = await readDocument();
  const withBody = OPERATIONS.filter(({ body }) => body !== null);
  expect(withBody.length).toBeGreaterThan(15);
  for (const operation of withBody) {
    const example = exampleOf(operation);
    expect([operation.id, operation.body?.safeParse(example).error]).toEqual([
      operation.id,
      undefined,
    ]);
    expect(JSON.stringify(paths[operation.path]?.[operation.method])).toContain('"example":{');
  }
});

test('headers and webhooks are described as they are sent', async () => {
  const { paths, webhooks } = await readDocument();
  expect(Object.keys(webhooks).toSorted()).toEqual(WEBHOOK_EVENT_TYPES.toSorted());
  const created = await api.send('POST', '/api/v1/payments', {
    body: { provider: 'cpay', amount: 10_000, currency: 'KES' },
  });
  const answer = paths['/api/v1/payments']?.post?.responses[created.status];
  const described = Object.keys(answer?.headers ?? {});
  for (const name of ['X-Request-Id', 'RateLimit', 'RateLimit-Policy', 'Location']) {
    expect([name, described.includes(name)]).toEqual([name, true]);
    expect([name, created.headers.get(name)]).toEqual([name, expect.any(String)]);
  }
});

let serial = 0;
const nextSerial = () => {
  serial += 1;
  return serial;
};
/** A request that would pass all checks before the thing itself is looked for. */
const pathOf = ({ path }: Operation) =>
  path
    .replace('{provider}', 'mpesa')
    .replace('{id}', newId(path.includes('merchants') ? 'merchant' : 'payment'))
    .replace('{key_id}', newId('api_key'));
const ask = (send: Send, operation: Operation, authorization?: string) =>
  send(operation.method.toUpperCase(), pathOf(operation), {
    ...(operation.body === null ? {} : { body: {} }),
    headers: {
      // An address of its own: who is refused too often from one is told to wait.
      'x-forwarded-for': `2001:db8::${nextSerial()}`,
      ...(authorization === undefined ? {} : { authorization }),
    },
  });

const GUARDED = OPERATIONS.filter(({ access }) => access.kind !== 'open');
describe.each(GUARDED.map((it) => [it.id, it] as const))('%s', (_id, operation) => {
  test.each([
    ['nobody', ''],
    ['another scheme', 'Basic c2s6'],
    ['an unknown key', `Bearer ${makeApiKey('test')}`],
    ['a broken token', 'Bearer eyJhbGciOiJub25lIn0.e30.'],
  ])('is closed to %s', async (_who, authorization) => {
    expect(await ask(api.send, operation, authorization)).toMatchObject({
      status: 401,
      body: { code: 'unauthorized' },
    });
  });

  test('is closed to the other kind of caller, and to who lacks the right', async () => {
    const { access } = operation;
    if (access.kind === 'operator') {
      expect((await ask(api.send, operation)).status).toBe(401);
      if (access.role !== 'viewer') expect((await ask(viewer, operation)).status).toBe(403);
      return;
    }
    expect((await ask(viewer, operation)).status).toBe(401);
    const apiKey = makeApiKey('test');
    const scopes = SCOPE_NAMES.filter(
      (name) => access.kind !== 'merchant' || name !== access.scope,
    );
    await ensureApiKey(api.pool, { merchantId: MERCHANT.id, apiKey, scopes });
    const answer = await ask(api.send, operation, `Bearer ${apiKey}`);
    expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  });

  test('answers its own caller as described', async () => {
    const isMerchants = operation.access.kind === 'merchant';
    const { status, text } = await ask(isMerchants ? api.send : viewer, operation);
    const { paths } = await readDocument();
    const described = paths[operation.path]?.[operation.method];
    expect(Object.keys(described?.responses ?? {})).toContain(String(status));
    expect([status, text]).not.toEqual([500, expect.anything()]);
  });
});

test('another merchant’s payment is as if it were not there, everywhere', async () => {
  const payment = await storePaymentIn(api.pool, 'succeeded');
  const other = await api.openMerchant();
  const onPayments = OPERATIONS.filter(({ path }) => path.startsWith('/api/v1/payments/{id}'));
  expect(onPayments.length).toBeGreaterThan(5);
  for (const { method, path, body } of onPayments) {
    const sending = body === null ? {} : { body: {} };
    const own = path.replace('{id}', payment.id);
    const answer = await other.send(method.toUpperCase(), own, sending);
    expect([path, answer.status, answer.body.code]).toEqual([path, 404, 'not_found']);
  }
});

test('the page and all that it loads come from us', async () => {
  const html = await fetch(`${api.url}/docs`);
  const text = await html.text();
  expect(html.headers.get('content-type')).toContain('text/html');
  expect(html.headers.get('content-security-policy')).toContain("connect-src 'self'");
  const loaded = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address = '']) => address);
  expect(loaded.length).toBeGreaterThan(2);
  for (const address of loaded) {
    expect(address).toMatch(/^\/docs\//);
    expect((await fetch(`${api.url}${address}`)).status).toBe(200);
  }
  expect((await fetch(`${api.url}/docs/..%2fpackage.json`)).status).toBe(404);
});

test('each problem has a page where its type points', async () => {
  for (const code of PROBLEM_CODES) {
    const page = await fetch(`${api.url}/problems/${code}`);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain(PROBLEMS[code].title);
  }
  const problem = await api.send('GET', '/api/v1/payments/pay_1');
  expect(problem.body.type).toBe('https://pay.example.test/problems/not_found');
});
