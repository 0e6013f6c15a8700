import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { Malipo } from '../client/index.ts';
import { openOwnerPool, type Pool } from '../db/pool.ts';
import { sql } from '../db/sql.ts';
import { chooseHome, readJson } from '../sandbox/home.ts';
import { dropPostgresVariables } from '../sandbox/shell-settings.ts';
import { Refusal, runToExitCode } from './refusal.ts';
import { ageTrails } from './seed/age.ts';
import { PAYMENTS_LEAST, planPayments, SHOPS } from './seed/plan.ts';
import { type Control, playAll } from './seed/traffic.ts';

const USAGE = `Usage: npm run seed [-- --payments NUMBER --days NUMBER --seed NUMBER]
Fills the sandbox that runs (of MALIPO_HOME, else .malipo) with 300 payments of the last 30 days,
or as asked, at least ${PAYMENTS_LEAST}. They are made over the API and paid at the simulators; then
the tables' owner moves each with its trail into the past. Temporal's histories keep their time.`;
/** So long ago is the last payment: nothing moves into the future. */
const LATEST_MS = 120_000;
const REST_WITHIN_MS = 180_000;

const login = z.object({ email: z.string(), password: z.string() });
const sandbox = z.object({
  api_url: z.string(),
  owner_database_url: z.string(),
  operator: login,
  second_operator: login,
  simulators: z.record(z.string(), z.object({ url: z.string() })),
});
type Sandbox = z.infer<typeof sandbox>;
type Options = ReturnType<typeof readOptions>;
const NAMES = SHOPS.map(({ name }) => name);

function readOptions() {
  const count = (least: number, byDefault: number) =>
    z.coerce.number().int().min(least).max(5_000).default(byDefault);
  const options = { payments: count(PAYMENTS_LEAST, 300), days: count(1, 30), seed: count(0, 1) };
  try {
    const type = 'string';
    const named = { payments: { type }, days: { type }, seed: { type } } as const;
    return z.object(options).parse(parseArgs({ options: named }).values);
  } catch {
    throw new Refusal(USAGE);
  }
}

const text = z.string().optional();
const answered = z.object({ id: text, key: text, access_token: text });

async function call(url: string, body: object, token = '') {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return answered.parse(await answer.json());
}

/** Makes the shops that are not there yet, and a key for each, which takes two operators. */
async function openShops(at: Sandbox, known: ReadonlyMap<string, string>) {
  const signIn = async (who: object) =>
    (await call(`${at.api_url}/api/v1/sessions`, who)).access_token;
  const [first, second] = [await signIn(at.operator), await signIn(at.second_operator)];
  const url = `${at.api_url}/api/v1/admin/merchants`;
  const shops = new Map<string, Malipo>();
  for (const name of NAMES) {
    const id = known.get(name) ?? (await call(url, { name }, first)).id;
    // Two operators agree once on the same: a run after one that was cut off names another key.
    const asked = { name: `Web shop ${new Date().toISOString()}` };
    await call(`${url}/${id}/api-keys`, asked, first);
    const { key: apiKey = '' } = await call(`${url}/${id}/api-keys`, asked, second);
    console.log(`${id} ${name}\n  ${apiKey}`);
    shops.set(name, new Malipo({ baseUrl: at.api_url, apiKey, retries: 10 }));
  }
  return shops;
}

/** Takes webhooks: of the third shop none, of the second some at their second try only. */
async function openReceiver() {
  const seen = new Set<unknown>();
  const server = createServer((request, response) => {
    const id = request.headers['webhook-id'];
    const isLate = request.url === '/1' && !seen.has(id) && seen.add(id).size % 5 === 0;
    response.writeHead(request.url === '/2' ? 410 : isLate ? 503 : 204).end();
    request.resume();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

/** Nobody listens at them any more. */
async function closeEndpoints(shops: ReadonlyMap<string, Malipo>): Promise<void> {
  for (const { webhookEndpoints } of shops.values()) {
    for await (const { id } of webhookEndpoints.list()) {
      await webhookEndpoints.update(id, { active: false });
    }
  }
}

/** Waits until nothing is on its way but what is meant to stay there. */
async function awaitRest(pool: Pool, open: readonly string[]): Promise<void> {
  const isMoving = () =>
    pool.exists(sql.typeAlias('none')`
      SELECT FROM merchants m WHERE name = ANY(${sql.array(NAMES, 'text')}) AND (
        EXISTS (SELECT FROM payments WHERE merchant_id = m.id
          AND status IN ('created', 'processing')
          AND idempotency_key <> ALL(${sql.array([...open], 'text')}))
        OR EXISTS (SELECT FROM refunds WHERE merchant_id = m.id AND status = 'pending')
        OR EXISTS (SELECT FROM deliveries d JOIN webhook_endpoints e ON e.id = endpoint_id
          WHERE d.merchant_id = m.id AND status = 'pending' AND active))
      UNION ALL SELECT FROM webhook_events WHERE status = 'received'`);
  const endMs = Date.now() + REST_WITHIN_MS;
  while (Date.now() < endMs && (await isMoving())) await sleep(500);
}

async function fill(at: Sandbox, pool: Pool, options: Options): Promise<void> {
  const isLive = await pool.exists(sql.typeAlias('none')`
    SELECT FROM api_keys WHERE starts_with(prefix, 'sk_live_')`);
  if (isLive) throw new Refusal('the database knows live keys: it is no sandbox');
  const row = z.object({ id: z.string(), name: z.string(), created_at: z.string() });
  const known = await pool.any(sql.type(row)`
    SELECT id, name, created_at FROM merchants WHERE name = ANY(${sql.array(NAMES, 'text')})`);
  const createdMs = known.map(({ created_at }) => Date.parse(created_at));
  // An id tells when it was made.
  if (
    known.some(({ id }, nth) => (createdMs[nth] ?? 0) + LATEST_MS < parseInt(id.slice(4, 16), 16))
  ) {
    console.log('the demo data are there; nothing was added (npm start -- --reset begins anew)');
    return;
  }
  // A run that was cut off goes on with the same plan.
  const planned = planPayments(options, Math.min(Date.now(), ...createdMs) - LATEST_MS);
  const shops = await openShops(at, new Map(known.map(({ name, id }) => [name, id])));
  const control: Control = (provider, path, body) =>
    call(`${at.simulators[provider]?.url}/simulator/${path}`, body);
  const receiver = await openReceiver();
  try {
    await closeEndpoints(shops);
    for (const [nth, { webhookEndpoints }] of [...shops.values()].entries()) {
      await webhookEndpoints.create({ url: `${receiver.url}/${nth}` });
    }
    await playAll(planned, shops, control);
    const open = planned.filter(({ isOpen }) => isOpen).map(({ key }) => key);
    await awaitRest(pool, open);
    const times = planned.map(({ atMs }) => atMs);
    await ageTrails(pool, NAMES, times);
    await closeEndpoints(shops);
  } finally {
    receiver.close();
  }
  console.log(`${planned.length} payments of the last ${options.days} days`);
}

async function run(): Promise<number> {
  const options = readOptions();
  // The sandbox's own server, to which the shell's settings for another one say nothing.
  dropPostgresVariables(process.env);
  const details = sandbox.safeParse(readJson(join(chooseHome(process.env), 'sandbox.json')));
  const isUp = details.success && (await fetch(`${details.data.api_url}/livez`).catch(() => null));
  if (!isUp) throw new Refusal('no sandbox runs: npm start');
  const { owner_database_url: databaseUrl } = details.data;
  const pool = await openOwnerPool({ databaseUrl, size: 2, statementTimeoutMs: 30_000 });
  try {
    await fill(details.data, pool, options);
    return 0;
  } finally {
    await pool.end();
  }
}

await runToExitCode(run);
