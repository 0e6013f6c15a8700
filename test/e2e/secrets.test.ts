import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROVIDER_NAMES, PROVIDERS } from '../../providers/index.ts';
import { loadSimulator } from '../../sandbox/simulators.ts';
import { payByCard, untilRefund } from './cards.ts';
import { openStack, type Stack } from './stack.ts';
import {
  dumpDatabase,
  findTraces,
  readDaraja,
  readHistories,
  readLogs,
  type Secrets,
  spellKey,
  spellPhone,
} from './traces.ts';

/** After a full run nothing secret or personal stands anywhere in clear, however it is spelled. */
let stack: Stack;
/** Secrets of this run. */
const made: Record<string, string> = {};
/** Who pays, has no funds, is asked while the worker is killed, and pays without a callback. */
const PHONES = ['254712340071', '254798120403', '254733650172', '254701987208'] as const;
const EMAIL = 'amina.wanjiru@example.test';
const CARD = '4242424242424242';
const OWN_SECRET = 'sk_test_ofThisMerchantAlone';
const OWN_WEBHOOK_SECRET = 'whsec_ofThisMerchantAlone';

const refund = (id: string, body: object) => stack.send('POST', `payments/${id}/refunds`, body);

/** A payment, a refund that is carried out and one that Daraja refuses; a decline; a look-up. */
async function payByPhone(): Promise<void> {
  const [payer, poor, , unheard] = PHONES;
  const poorly = stack.pay(poor, { key: 'order-2' });
  const quietly = stack.pay(unheard, { key: 'order-4' });
  const { body } = await stack.pay(payer, { key: 'order-1' });
  await stack.until(body.id, ['succeeded']);
  const given = await refund(body.id, { amount: 4_000 });
  await untilRefund(stack, given.body.id, ['succeeded']);
  await stack.simulate('PATCH', 'settings', { reversal_code: '1' });
  const refused = await refund(body.id, { amount: 2_000 });
  await untilRefund(stack, refused.body.id, ['failed']);
  await stack.until((await poorly).body.id, ['failed']);
  await stack.until((await quietly).body.id, ['succeeded']);
}

/** At the account of the deployment: paid, authenticated, captured in part, declined. */
async function payWithCards(): Promise<void> {
  const back = { return_url: 'https://shop.example.test/back' };
  const payment_method = 'pm_card_threeDSecure2Required';
  const asked = await payByCard(stack, 'stripe', { payment_method, ...back });
  await stack.control('stripe', 'POST', `3ds/${asked.body.provider_payment_id}`, { passed: true });
  await stack.until(asked.body.id, ['succeeded']);
  const held = await payByCard(stack, 'stripe', { capture_method: 'manual' });
  const captured = await stack.send('POST', `payments/${held.body.id}/capture`, { amount: 3_000 });
  const declined = await payByCard(stack, 'stripe', { payment_method: 'pm_card_chargeDeclined' });
  expect([captured.body.status, declined.body.status]).toEqual(['succeeded', 'failed']);
  for (const provider of PROVIDER_NAMES) {
    const { needs, amounts } = PROVIDERS[provider].capabilities;
    if (needs.length > 0) continue;
    const [currency] = Object.keys(amounts);
    const customer = { email: EMAIL, name: 'Amina W' };
    const order = { provider, amount: 5_000, currency, customer };
    const paid = await stack.send('POST', 'payments', order);
    await refund(paid.body.id, {});
  }
}

/** With a merchant's own account, which Stripe's simulator does not know; with a card number. */
async function payOnOwnAccount(): Promise<void> {
  await stack.send('PUT', 'provider-configs/stripe', {
    environment: 'simulator',
    credentials: {
      base_url: stack.world.details().simulators.stripe?.url,
      secret_key: OWN_SECRET,
      webhook_secrets: OWN_WEBHOOK_SECRET,
    },
  });
  await payByCard(stack, 'stripe');
  await stack.send('PATCH', 'provider-configs/stripe', { active: false });
  await payByCard(stack, 'stripe', { payment_method: CARD });
}

/** The worker is killed when Daraja has the charge, so that its answer is lost. */
async function loseWorker(): Promise<void> {
  const phone = PHONES[2];
  await stack.simulate('POST', 'faults', { on: 'push', phone, fault: 'slow', delay_ms: 20_000 });
  const paying = stack.pay(phone, { key: 'order-3' });
  while ((await stack.ledger(phone)).prompts.length === 0) await sleep(50);
  await stack.world.kill('worker', 'SIGKILL');
  await stack.simulate('DELETE', 'faults');
  await stack.until((await paying).body.id, ['succeeded'], 60_000);
}

beforeAll(async () => {
  stack = await openStack(1, { isAlone: true });
  const { email, password } = stack.world.details().operator;
  const session = await stack.send('POST', 'sessions', { email, password });
  const receiver = await stack.send('POST', 'webhook-endpoints', {
    url: 'http://127.0.0.1:1024/hook',
  });
  Object.assign(made, {
    'an endpoint’s secret': String(receiver.body.secret),
    'an access token': String(session.body.access_token),
    'a refresh token': String(session.body.refresh_token),
    'an operator’s password': password,
    'our API key': stack.world.details().api_key,
  });
  await Promise.all([payByPhone(), payWithCards().then(payOnOwnAccount)]);
  await loseWorker();
  Object.assign(made, readDaraja(stack), readKeys());
}, 180_000);
afterAll(() => stack?.close(), 60_000);

/** What the sandbox seals, hashes and signs with. */
function readKeys(): Secrets {
  const kept: Record<string, string> = JSON.parse(
    readFileSync(join(stack.folder, 'secrets.json'), 'utf8'),
  );
  const keyOf = (name: string) => kept[name]?.split(':').at(-1) ?? '';
  return {
    ...spellKey('the hash key', keyOf('hash_key')),
    ...spellKey('the data key', keyOf('data_keys')),
    ...spellKey('the key of access tokens', keyOf('token_keys')),
  };
}

const SECRETS: Secrets = {
  ...(await listSandboxSecrets()),
  ...(await startStkPassword()),
  'a merchant’s own key of Stripe': OWN_SECRET,
  'a merchant’s own webhook secret': OWN_WEBHOOK_SECRET,
  ...Object.assign({}, ...PHONES.map((phone) => spellPhone(`the phone ${phone}`, phone))),
  'the payer’s e-mail': EMAIL,
  'a card number': CARD,
};

/** What each provider does not count among the fields that may be shown. */
async function listSandboxSecrets(): Promise<Secrets> {
  const lists = PROVIDER_NAMES.map(async (name) => {
    const shown: readonly string[] = PROVIDERS[name].shownFields;
    const { SANDBOX } = await loadSimulator(name);
    const fields = Object.entries(SANDBOX.credentials).filter(([field]) => !shown.includes(field));
    return fields.map(([field, secret]) => [`${field} of ${name}`, secret] as const);
  });
  return Object.fromEntries((await Promise.all(lists)).flat());
}

/** STK Push's `Password` without its end, which is the time: it begins with code and passkey. */
async function startStkPassword(): Promise<Secrets> {
  const { short_code, passkey } = (await loadSimulator('mpesa')).SANDBOX.credentials;
  const start = Buffer.from(`${short_code}${passkey}`).toString('base64').slice(0, -4);
  return { 'an STK Password': start };
}

function expectNone(place: string, text: string): void {
  expect({ place, found: findTraces({ ...SECRETS, ...made }, text) }).toEqual({ place, found: [] });
}

it('looks for a secret of each provider, and for all that the run made', () => {
  const names = PROVIDER_NAMES.filter((name) => {
    return Object.keys(SECRETS).some((secret) => secret.endsWith(` of ${name}`));
  });
  expect(names).toEqual(PROVIDER_NAMES);
  const kinds = ['a bearer token', 'an id', 'a callback’s', 'a result’s', 'a timeout’s', 'a Secur'];
  for (const kind of [...kinds, 'an endpoint’s', 'our API key', 'the hash key', 'the data key']) {
    expect(Object.keys(made).filter((name) => name.startsWith(kind))).not.toEqual([]);
  }
  for (const secret of Object.values({ ...SECRETS, ...made })) {
    expect(secret.length).toBeGreaterThan(8);
  }
});

it.each([
  (text: string) => text,
  encodeURIComponent,
  ...['', 'a', 'ab'].map((before) => (text: string) => {
    return Buffer.from(`${before}${text}, and more`).toString('base64');
  }),
  (text: string) => Buffer.from(`?${text}?`).toString('base64url'),
])('finds them however they are spelled (%#)', (spell) => {
  const hidden = `{"told":"${spell(`ws_CO_2511202609000012${PHONES[0].slice(3)}`)}"}`;
  expect(findTraces(SECRETS, hidden)).toContain(`the phone ${PHONES[0]}, nine digits`);
  expect(findTraces(SECRETS, spell(`Bearer ${OWN_SECRET}`))).toEqual([
    'a merchant’s own key of Stripe',
  ]);
});

it('nothing stands in the logs', () => {
  const logs = readLogs(stack);
  expect([...logs.keys()]).toEqual(expect.arrayContaining(['api.log', 'worker.log']));
  for (const [name, text] of logs) expectNone(name, text);
});

it('nothing stands in any row of the database', async () => {
  const tables = await dumpDatabase(stack);
  expect(tables.get('public.payments')).toContain('order-3');
  for (const [name, text] of tables) expectNone(name, text);
});

it('nothing stands in any history', async () => {
  const histories = await readHistories(stack);
  for (const [id, text] of histories) {
    expect(text).toMatch(/"(paymentId|deliveryId|unstarted_after_ms)"|"fairnessCheck"/);
    expectNone(id, text);
  }
  const said = [...histories.values()].join('\n');
  const run = [...said.matchAll(/"activityType":\{"name":"(\w+)"/g)].map(([, name]) => name);
  const steps = ['charge', 'capture', 'refund', 'lookup', 'deliver'];
  expect(steps.filter((step) => !run.includes(step))).toEqual([]);
  const words = ['"nextAction":{', 'its answer is lost', '"providerPaymentId":"pid_'];
  expect(words.filter((word) => !said.includes(word))).toEqual([]);
});

it('nothing stands in the command line of any process', () => {
  const pids = Object.values(stack.world.details().pids).join(',');
  expectNone('ps', execFileSync('ps', ['-ww', '-o', 'args=', '-p', pids]).toString());
});
