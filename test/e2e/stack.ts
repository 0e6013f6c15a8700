import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { removePostgresData } from '../../sandbox/postgres-files.ts';
import { startWorld, type World } from '../../sandbox/world.ts';
import { FREE_PORTS, type WorldOptions } from '../../sandbox/world-options.ts';
import { createMigratedDatabase } from '../database.ts';
import { type Answered, requireDescribed } from '../described.ts';
import { openNamespace, temporalAddress } from '../temporal.ts';

/** Short times, so that a whole life takes seconds. */
const CARD = {
  charge: { timeout_ms: 1_500, deadline_ms: 12_000, max_sends: 3, resend_after_ms: [500] },
  callback_wait_ms: 2_000,
  lookup: { timeout_ms: 2_000, poll_interval_ms: [700], window_ms: 8_000 },
  refund: {
    timeout_ms: 1_500,
    deadline_ms: 12_000,
    resend_after_ms: [500],
    poll_interval_ms: [700],
  },
  rate_limit_per_second: 200,
};
const AGAIN = { who: 'payer', after_ms: 300, auto: true };
const PROVIDERS = {
  mpesa: {
    charge: { timeout_ms: 2_500, deadline_ms: 60_000, max_sends: 3, resend_after_ms: [500] },
    callback_wait_ms: 4_000,
    lookup: { timeout_ms: 2_000, poll_interval_ms: [700], window_ms: 6_000, prompt_life_ms: 4_000 },
    refund: { result_wait_ms: 7_000, poll_interval_ms: [2_500] },
    rate_limit_per_second: 100,
  },
  stripe: {
    ...CARD,
    retry: { by_provider_code: { try_again_later: AGAIN } },
    reattempt: { max_attempts: 2 },
  },
  cpay: {
    ...CARD,
    retry: { by_code: { declined: AGAIN } },
    reattempt: { max_attempts: 2, fallback: ['stripe'] },
  },
};
const POLICIES = {
  api: {
    // What is asserted of a POST's answer has come about by then, on a busy machine too.
    start_wait_ms: 10_000,
    phone_limit: { open: 1_000, requests: 10_000, per_ms: 3_600_000 },
    rate_limits: {
      merchant: { requests: 100_000, per_ms: 1_000 },
      address: { requests: 100_000, per_ms: 1_000 },
    },
  },
  delivery: { timeout_ms: 1_500, schedule_ms: [300, 300, 4_000], disable_after_ms: 3_600_000 },
  sweep: { interval_ms: 1_000, unstarted_after_ms: 1_500, undelivered_after_ms: 3_000, batch: 100 },
};
/** What a test changes of the providers' policies; each value replaces the whole one. */
export type PolicyChanges = { readonly [P in keyof typeof PROVIDERS]?: object };

export type PaymentBody = Record<string, unknown> & {
  readonly id: string;
  readonly status: string;
  readonly provider_receipt: string | null;
  readonly provider_payment_id: string | null;
  readonly reference: string;
  readonly review_reason: string | null;
  readonly failure: { readonly code: string; readonly message: string } | null;
  readonly workflow: { readonly id: string };
};
export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: PaymentBody;
};
export type LedgerBody = {
  readonly prompts: { checkout_request_id: string; callback_url: string; state: string }[];
  readonly charges: { receipt: string; amount: number }[];
  readonly callbacks: { status: number }[];
};

export type TimelineEntry = {
  readonly action: string;
  readonly sequence: number;
  readonly from: string | null;
  readonly to: string | null;
  readonly cause: string;
  readonly at: string;
};

export type Stack = {
  readonly world: World;
  /** Files that end with it. */
  readonly folder: string;
  readonly temporal: Client;
  readonly db: pg.Pool;
  pay(phone: string, options?: { key?: string; amount?: number; api?: number }): Promise<Answer>;
  get(id: string): Promise<PaymentBody>;
  timeline(id: string): Promise<TimelineEntry[]>;
  /** Waits until the payment has one of these statuses. */
  until(id: string, statuses: readonly string[], withinMs?: number): Promise<PaymentBody>;
  ledger(phone: string): Promise<LedgerBody>;
  simulate(method: string, path: string, body?: object): Promise<unknown>;
  /** Any request to the API, with a key of its own unless one is given. */
  send(method: string, path: string, body?: object, key?: string): Promise<Answer>;
  /** Any request to a simulator's controls. */
  control(provider: string, method: string, path: string, body?: object): Promise<unknown>;
  /** A phone of its own, with these last two digits. */
  phone(lastDigits?: string): string;
  close(): Promise<void>;
};

type StackOptions = Partial<WorldOptions> & {
  readonly policies?: PolicyChanges;
  /** PostgreSQL and Temporal are its own too, for tests that end them or read all they keep. */
  readonly isAlone?: boolean;
};

/** @param changes to its policies, and to the world that it stands in. */
export async function openStack(
  apiProcesses = 1,
  { policies = {}, environment, isAlone = false, ...changes }: StackOptions = {},
): Promise<Stack> {
  const home = mkdtempSync(join(tmpdir(), 'malipo-e2e-'));
  chmodSync(home, 0o755);
  const policiesPath = join(home, 'policies.yaml');
  writeFileSync(policiesPath, renderPolicies(policies));
  const servers = isAlone ? null : await openServers();
  const world = await startWorld({
    ...servers?.places,
    home,
    ports: FREE_PORTS,
    apiProcesses,
    environment: { MALIPO_POLICIES: policiesPath, ...environment },
    simulators: { mpesa: { answer_delay_ms: 600, prompt_lifetime_ms: 20_000 } },
    // Of its own, where it has one; what the system has taken over outlives a kill all the same.
    postgresFlags: ['fsync=off', 'full_page_writes=off'],
    ...changes,
  });
  const { temporal_address, temporal_namespace, owner_database_url } = world.details();
  const connection = await Connection.connect({ address: temporal_address });
  const db = new pg.Pool({ connectionString: owner_database_url });
  db.on('error', () => undefined);
  let serial = 0;
  const calls = openCalls(world);
  return {
    world,
    folder: home,
    temporal: new Client({ connection, namespace: temporal_namespace }),
    db,
    ...calls,
    phone(lastDigits = '99') {
      serial += 1;
      return `2547${String(10_000 + serial)}0${lastDigits}`.slice(0, 12);
    },
    async close() {
      await db.end();
      await connection.close();
      await world.stop();
      await servers?.drop();
      removePostgresData(join(home, 'postgres'));
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** A part of the run's own PostgreSQL and Temporal; each costs seconds of CPU to start. */
async function openServers() {
  const namespace = `stack-${randomUUID()}`;
  await openNamespace(namespace);
  const { adminUrl, appUrl, drop } = await createMigratedDatabase();
  const temporal = { address: temporalAddress(), namespace };
  return { places: { databaseUrl: adminUrl, appDatabaseUrl: appUrl, temporal }, drop };
}

/** JSON is YAML. */
function renderPolicies(changes: PolicyChanges): string {
  const { mpesa, stripe, cpay } = PROVIDERS;
  const providers = {
    mpesa: { ...mpesa, ...changes.mpesa },
    stripe: { ...stripe, ...changes.stripe },
    cpay: { ...cpay, ...changes.cpay },
  };
  return JSON.stringify({ ...POLICIES, providers });
}

type Calls = Pick<
  Stack,
  'pay' | 'get' | 'timeline' | 'until' | 'ledger' | 'simulate' | 'send' | 'control'
>;

/** How the API is asked; each answer has to be as described. */
function openApi(world: World) {
  const authorization = `Bearer ${world.details().api_key}`;
  const ask = async (index: number, method: string, path: string, sending: Sending = {}) => {
    const { body, key } = sending;
    const answer = await fetch(`${world.apiUrls[index] ?? ''}${path}`, {
      method,
      headers: {
        authorization,
        'content-type': 'application/json',
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const { status, headers } = answer;
    return { method, path, status, headers, text: await answer.text() };
  };
  /** @throws Error for an answer that the reference does not have. */
  const take = (answered: Answered) => {
    requireDescribed(answered);
    return JSON.parse(answered.text);
  };
  const look = (path: string) => ask(0, 'GET', `/api/v1/payments/${path}`);
  const send = async (
    index: number,
    method: string,
    path: string,
    sending: Sending,
  ): Promise<Answer> => {
    const answered = await ask(index, method, `/api/v1/${path}`, sending);
    const { status, headers } = answered;
    return { status, headers, body: take(answered) };
  };
  return { look, take, send };
}
type Sending = { readonly body?: object | undefined; readonly key?: string };

/** What a merchant and a payer's phone do over HTTP. */
function openCalls(world: World): Calls {
  const { simulators } = world.details();
  const { look, take, send } = openApi(world);
  const read = async (path: string) => take(await look(path));
  const control: Stack['control'] = async (provider, method, path, body) => {
    const answer = await fetch(`${simulators[provider]?.url}/simulator/${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return JSON.parse(await answer.text());
  };
  return {
    pay(phone, { key = `key-${phone}`, amount = 10_000, api: index = 0 } = {}) {
      const body = { provider: 'mpesa', amount, currency: 'KES', customer: { phone } };
      return send(index, 'POST', 'payments', { body, key });
    },
    get: read,
    timeline: async (id) => (await read(`${id}/timeline`)).data,
    async until(id, statuses, withinMs = 30_000) {
      const deadline = Date.now() + withinMs;
      for (;;) {
        // An API that is being killed may not answer; what is answered has to be as described.
        const answered = await look(id).catch(() => null);
        const payment = answered === null ? null : take(answered);
        if (payment !== null && statuses.includes(payment.status)) return payment;
        if (Date.now() > deadline)
          throw new Error(`${id} is ${payment?.status}, not ${statuses.join()}`);
        await sleep(100);
      }
    },
    async ledger(phone) {
      const answer = await fetch(`${simulators.mpesa?.url}/simulator/ledger?phone=${phone}`);
      return JSON.parse(await answer.text());
    },
    simulate: (method, path, body) => control('mpesa', method, path, body),
    control,
    send: (method, path, body, key = randomUUID()) => send(0, method, path, { body, key }),
  };
}
