import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ChargeRequest, ProviderClient } from '../../domain/provider.ts';
import { nairobiTimestamp } from '../../providers/mpesa/client.ts';
import { mpesa } from '../../providers/mpesa/index.ts';
import { type RunningSimulator, SANDBOX, startSimulator } from '../../providers/mpesa/simulator.ts';
import { connect, errorOf, makeContext, makeRequest } from './contract/harness.ts';

/** What only M-Pesa has: access tokens, tills, whole shillings, and a clock in Nairobi. */
const CREDENTIALS = SANDBOX.credentials;
const till_number = '600100';

let simulator: RunningSimulator;
let client: ProviderClient;
beforeEach(async () => {
  const settings = { answer_mode: 'manual', strictness: 'strict' };
  simulator = await startSimulator({ port: 0, settings });
  client = connectWith({});
});
afterEach(async () => {
  await client.close();
  await simulator.close();
});

function connectWith(changes: Readonly<Record<string, string>>): ProviderClient {
  return connect(mpesa, { ...CREDENTIALS, base_url: simulator.url, ...changes });
}

const payer = {
  name: 'approves',
  request: (serial: number) => ({
    customer: { phone: `+2547${String(serial).padStart(8, '0')}`, email: null, name: null },
  }),
};
const charge = (changes: Partial<ChargeRequest> = {}, by = client) =>
  by.charge(makeRequest(payer, 'http://127.0.0.1:1/stk', changes), makeContext());

type Ledger = {
  readonly prompts: readonly {
    readonly phone: string;
    readonly amount: number;
    readonly account_reference: string;
  }[];
  readonly requests: { readonly oauth: number; readonly push: number; readonly query: number };
};
async function readLedger(): Promise<Ledger> {
  const answer = await fetch(`${simulator.url}/simulator/ledger`);
  return JSON.parse(await answer.text());
}
async function setFault(order: object): Promise<void> {
  const answer = await fetch(`${simulator.url}/simulator/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(order),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

describe('access tokens', () => {
  it('asks for one, however many charges start at once', async () => {
    await Promise.all(Array.from({ length: 20 }, () => charge()));
    const { requests, prompts } = await readLedger();
    expect(requests).toMatchObject({ oauth: 1, push: 20 });
    expect(prompts).toHaveLength(20);
  });

  it('keeps it from one call to the next', async () => {
    const { providerPaymentId } = await charge();
    await charge();
    const question = { providerPaymentId, attemptRef: 'att_1', timeoutMs: 5_000 };
    await client.lookup(question, new AbortController().signal);
    expect((await readLedger()).requests).toMatchObject({ oauth: 1, push: 2, query: 1 });
  });

  it.each(['invalid_token', 'invalid_token_400', 'invalid_token_401'])(
    'asks for a new one when Daraja refuses the held one, and rings the phone once: %s',
    async (fault) => {
      await setFault({ on: 'push', fault });
      await expect(charge()).resolves.toMatchObject({ kind: 'pending' });
      const { requests, prompts } = await readLedger();
      expect(requests).toMatchObject({ oauth: 2, push: 2 });
      expect(prompts).toHaveLength(1);
    },
  );

  it('ends as misconfigured when Daraja refuses the new one too: nothing was sent', async () => {
    await setFault({ on: 'push', fault: 'invalid_token', times: 2 });
    expect(await errorOf(charge())).toMatchObject({
      kind: 'misconfigured',
      providerCode: '404.001.03',
    });
    const { requests, prompts } = await readLedger();
    expect(requests).toMatchObject({ oauth: 2, push: 2 });
    expect(prompts).toHaveLength(0);
  });

  it.each(['reset', 'truncate', 'html_200', 'empty_200', '500'])(
    'knows that nothing was sent when the token is lost: %s',
    async (fault) => {
      await setFault({ on: 'oauth', fault, act: true });
      expect(await errorOf(charge())).toMatchObject({ kind: 'unsent' });
      expect((await readLedger()).requests.push).toBe(0);
      await expect(charge()).resolves.toMatchObject({ kind: 'pending' });
    },
  );

  it('takes over how long it is asked to slow down', async () => {
    await setFault({ on: 'oauth', fault: '429', retry_after_s: 11 });
    const error = await errorOf(charge());
    expect(error).toMatchObject({ kind: 'rate_limited', retryAfterMs: 11_000 });
  });

  it('does not write a dispatch down before it has one', async () => {
    await setFault({ on: 'oauth', fault: 'reset' });
    let dispatches = 0;
    const dispatch = async () => {
      dispatches += 1;
    };
    const request = makeRequest(payer, 'http://127.0.0.1:1/stk');
    await errorOf(client.charge(request, makeContext({ dispatch })));
    expect(dispatches).toBe(0);
  });
});

describe('what is asked of Daraja', () => {
  it('sends to a till by its own number', async () => {
    const till = connectWith({ transaction_type: 'till', till_number });
    await expect(charge({}, till)).resolves.toMatchObject({ kind: 'pending' });
    await till.close();
    expect((await readLedger()).prompts).toHaveLength(1);
  });

  it('hears that a till’s number is wrong', async () => {
    const till = connectWith({ transaction_type: 'till', till_number: '600101' });
    const error = await errorOf(charge({}, till));
    await till.close();
    expect(error).toMatchObject({ kind: 'misconfigured', providerCode: '400.002.02' });
    expect(error.message).toContain('PartyB');
  });

  it('asks in shillings, with the reference that the payer reads', async () => {
    const amount = { amountMinor: 25_000_000, currency: 'KES' } as const;
    await charge({ amount, reference: 'INVOICE-2026-0001' });
    const { prompts } = await readLedger();
    expect(prompts).toMatchObject([{ amount: 250_000, account_reference: 'INVOICE-2026' }]);
  });

  it.each(['', '@#&', 'Chai & maandazi kwa watu wengi – karibu', 'ééé'])(
    'turns the description %j into one that Daraja takes',
    async (description) => {
      await expect(charge({ description })).resolves.toMatchObject({ kind: 'pending' });
    },
  );

  const phone = '+254700000099';
  const email = null;
  const name = null;
  it.each([
    ['cents', { amount: { amountMinor: 150, currency: 'KES' } }],
    ['another currency', { amount: { amountMinor: 100, currency: 'UGX' } }],
    ['no phone', { customer: { phone: null, email, name } }],
  ] as const)('refuses %s before anything is sent', async (_what, changes) => {
    expect(await errorOf(charge(changes))).toMatchObject({ kind: 'misconfigured' });
    expect((await readLedger()).requests).toMatchObject({ oauth: 0, push: 0, query: 0 });
  });

  it('knows that nothing was sent while the phone still rings', async () => {
    await charge({ customer: { phone, email, name } });
    const error = await errorOf(charge({ customer: { phone, email, name } }));
    expect(error).toMatchObject({
      kind: 'unsent',
      failureCode: 'payer_busy',
      retryAfterMs: 60_000,
    });
    expect(error.message).not.toContain('254700000099');
    expect((await readLedger()).prompts).toHaveLength(1);
  });

  it.each([
    ['empty_200', true, 'ambiguous'],
    ['html_403', true, 'ambiguous'],
    ['system_busy', false, 'unsent'],
    ['spike_arrest', false, 'rate_limited'],
    ['quota', false, 'rate_limited'],
  ])('answered with %s (acted on: %s), calls it %s', async (fault, act, kind) => {
    await setFault({ on: 'push', fault, act });
    expect(await errorOf(charge())).toMatchObject({ kind });
    expect((await readLedger()).prompts).toHaveLength(act ? 1 : 0);
  });
});

describe('credentials', () => {
  const till = { transaction_type: 'till', till_number };
  it.each([
    ['a paybill', {}, []],
    ['a till', till, []],
    ['a till without a number', { transaction_type: 'till' }, ['till_number']],
    ['a short code of four digits', { short_code: '1743' }, ['short_code']],
    ['an address of files', { base_url: 'file:///etc/passwd' }, ['base_url']],
    ['two faults', { short_code: 'x', passkey: '' }, ['short_code', 'passkey']],
  ])('of %s name what is wrong', (_what, changes, fields) => {
    const reading = mpesa.readCredentials({ ...CREDENTIALS, ...changes });
    const faults = reading.ok ? [] : reading.faults;
    expect(faults.map((fault) => fault.split(':')[0])).toEqual(fields);
  });

  it('are for Daraja’s sandbox unless they say otherwise', () => {
    const reading = mpesa.readCredentials(CREDENTIALS);
    const credentials = {
      base_url: 'https://sandbox.safaricom.co.ke',
      transaction_type: 'paybill',
    };
    expect(reading).toMatchObject({ ok: true, credentials });
  });
});

describe('the clock of Nairobi', () => {
  // biome-ignore format: table, one instant per line
  const INSTANTS = [
    ['2026-11-24T08:15:09.999Z', '20261124111509'],
    ['2026-11-24T21:00:00.000Z', '20261125000000'],
    ['2026-12-31T20:59:59.000Z', '20261231235959'],
    ['2026-12-31T21:00:00.000Z', '20270101000000'],
    ['2028-02-28T22:30:00.000Z', '20280229013000'],
    ['2026-03-29T01:30:00.000Z', '20260329043000'],
    ['2026-11-01T06:30:00.000Z', '20261101093000'],
  ] as const;

  it.each(INSTANTS)('reads %s as %s', (instant, expected) => {
    expect(nairobiTimestamp(Date.parse(instant))).toBe(expected);
  });

  const script = `
    const { nairobiTimestamp } = await import(process.argv[1]);
    console.log(JSON.stringify({
      zone: new Date(1e12).getTimezoneOffset(),
      told: process.argv.slice(2).map((instant) => nairobiTimestamp(Date.parse(instant))),
    }));`;
  it.each([
    ['America/New_York', 240],
    ['Africa/Nairobi', -180],
    ['Asia/Kathmandu', -345],
    ['Pacific/Kiritimati', -840],
  ])('reads them the same in %s', async (TZ, zone) => {
    const file = new URL('../../providers/mpesa/client.ts', import.meta.url).href;
    const instants = INSTANTS.map(([instant]) => instant);
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', script, file, ...instants],
      { env: { ...process.env, TZ } },
    );
    expect(JSON.parse(stdout)).toEqual({ zone, told: INSTANTS.map(([, expected]) => expected) });
  });
});
