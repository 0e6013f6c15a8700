import { runInNewContext } from 'node:vm';
import { PROBLEM_CODES, PROBLEMS } from '../../api/errors.ts';
import { METHODS } from '../../api/operation.ts';
import { OPERATIONS } from '../../api/operations.ts';
import { exampleOf } from '../../api/reference/postman.ts';
import { REQUEST_WAIT_MAX_MS, readPolicies } from '../../config/policies.ts';
import { WEBHOOK_EVENT_TYPES } from '../../domain/outgoing-event.ts';
import { POLICY_DEFAULTS, PROVIDER_NAMES } from '../../providers/index.ts';
import { type Document, openDocument } from '../described.ts';
import { openTestApi, type TestApi } from './server.ts';

/** The reference says what the routes do; test/described.ts holds every answer against it. */
let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api.close());

const readDocument = async (): Promise<Document> =>
  JSON.parse((await api.send('GET', '/openapi.json')).text);

test('what tests hold answers against is what is served', async () => {
  expect(await readDocument()).toEqual(openDocument().document);
});

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
    properties: { provider: { 'x-extensible-enum': PROVIDER_NAMES } },
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

test('it tells how long a POST may take, by the figure of the policies', async () => {
  const { paths } = await readDocument();
  const seconds = readPolicies(POLICY_DEFAULTS, null).api.start_wait_ms / 1_000;
  for (const path of ['/api/v1/payments', '/api/v1/payments/{id}/refunds']) {
    const described = paths[path]?.post;
    expect(described?.description).toContain(`answers within ${seconds} seconds`);
    expect(described?.description).toContain('`Prefer: wait=2`');
    expect(described?.parameters).toContainEqual(
      expect.objectContaining({ name: 'Prefer', in: 'header' }),
    );
  }
  const capture = paths['/api/v1/payments/{id}/capture']?.post;
  expect(capture?.description).toContain(`${REQUEST_WAIT_MAX_MS / 1_000} seconds at most`);
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

test('the page keeps no key that is typed in', async () => {
  const script = await (await fetch(`${api.url}/docs/start.js`)).text();
  const options: unknown[] = [];
  const SwaggerUIBundle = (given: unknown) => options.push(given);
  runInNewContext(script, { window: {}, SwaggerUIBundle });
  expect(options).toMatchObject([{ persistAuthorization: false, validatorUrl: null }]);
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

test.each([
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 302, '/docs'],
  ['application/json', 404, null],
  ['*/*', 404, null],
])('the bare address, asked for as %s, is answered %i', async (accept, status, location) => {
  const answer = await fetch(`${api.url}/`, { redirect: 'manual', headers: { accept } });
  expect([answer.status, answer.headers.get('location')]).toEqual([status, location]);
});
