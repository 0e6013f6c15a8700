import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { OPERATIONS } from '../../api/operations.ts';
import { openStack, type Stack } from './stack.ts';

/** The served Postman collection, run as a person's "Run collection" would. */
const NEWMAN = createRequire(import.meta.url).resolve('newman/bin/newman.js');

type Execution = {
  readonly item: { readonly name: string };
  readonly response?: { readonly code: number };
  readonly assertions?: readonly { readonly assertion: string; readonly error?: object }[];
};
type Report = { readonly run: { readonly executions: readonly Execution[] } };

let stack: Stack;
beforeAll(async () => {
  stack = await openStack();
}, 150_000);
afterAll(() => stack?.close(), 60_000);

async function runCollection(webhookUrl: string): Promise<Report> {
  const { api_url, api_key, operator } = stack.world.details();
  const collection = join(stack.folder, 'collection.json');
  const report = join(stack.folder, 'report.json');
  writeFileSync(collection, await (await fetch(`${api_url}/postman.json`)).text());
  const filled = { base_url: api_url, api_key, url: webhookUrl, password: operator.password };
  const variables = Object.entries(filled).flatMap(([name, value]) => [
    '--env-var',
    `${name}=${value}`,
  ]);
  const reporting = ['--reporters', 'json', '--reporter-json-export', report];
  const newman = spawn(process.execPath, [NEWMAN, 'run', collection, ...reporting, ...variables], {
    stdio: 'ignore',
    env: { ...process.env, NODE_OPTIONS: '--no-deprecation' },
  });
  await once(newman, 'exit');
  return JSON.parse(readFileSync(report, 'utf8')) as Report;
}

test('each request is answered as described, and the main ones succeed', async () => {
  const receiver = createServer((_request, response) => response.writeHead(204).end());
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const { port } = receiver.address() as AddressInfo;
  const { run } = await runCollection(`http://127.0.0.1:${port}/malipo`);
  receiver.close();
  const wrong = run.executions.flatMap(({ item, assertions, response }) => {
    const failed = assertions?.some(({ error }) => error !== undefined) ?? true;
    return failed ? [`${item.name}: ${response?.code ?? 'no answer'}`] : [];
  });
  expect(wrong).toEqual([]);
  const codes = Object.fromEntries(
    run.executions.map(({ item, response }) => [
      /\((\w+)\)$/.exec(item.name)?.[1] ?? item.name,
      response?.code,
    ]),
  );
  const asked = OPERATIONS.filter(({ tag }) => tag !== 'Provider callbacks');
  expect(Object.keys(codes).toSorted()).toEqual(asked.map(({ id }) => id).toSorted());
  expect(codes).toMatchObject({
    createPayment: 201,
    getPayment: 200,
    getPaymentTimeline: 200,
    createRefund: 201,
    getRefund: 200,
    putProviderConfig: 200,
    createWebhookEndpoint: 201,
    testWebhookEndpoint: 202,
    getDelivery: 200,
    createApiKey: 201,
    revokeApiKey: 200,
    signIn: 201,
    // Nobody gave a new one, so the operator that `npm start` told of still has its own.
    changePassword: 400,
    adminGetPayment: 200,
    adminGetWebhookEvent: 200,
    adminCreateMerchant: 201,
    adminCreateOperator: 201,
    adminUpdateOperator: 200,
  });
}, 120_000);
