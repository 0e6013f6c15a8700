import {
  closeAll,
  type Desk,
  type Heard,
  idOf,
  openDesk,
  readFixture,
  send,
} from './mpesa-simulator-harness.ts';

/** How the simulator misbehaves when told to, and what it lets itself be told. */
let desk: Desk;
beforeEach(async () => {
  desk = await openDesk({ settings: { answer_mode: 'manual' } });
});
afterEach(closeAll);

const order = (body: unknown) => desk.control('POST', 'faults', body);
const listPrompts = async () => (await desk.ledger()).prompts;

describe('a fault', () => {
  const NAMED = {
    'stk-push-error-invalid-token': 'invalid_token',
    'stk-push-error-merchant-missing': 'merchant_missing',
    'stk-push-error-wrong-credentials': 'wrong_credentials',
    'stk-push-error-subscriber-locked': 'subscriber_locked',
    'stk-push-error-system-busy': 'system_busy',
    'stk-push-error-spike-arrest-daraja': 'spike_arrest',
    'stk-push-error-invalid-field': 'invalid_field',
    'stk-query-pending-500': 'being_processed',
    'stk-query-unknown-500': 'does_not_exist',
  } as const;
  it.each(Object.entries(NAMED))('answers as in %s: %s', async (name, fault) => {
    const { http, body } = readFixture(name);
    await order({ on: 'push', fault });
    const heard = await desk.push();
    expect(heard.status).toBe(http.status);
    expect(heard.body).toEqual({ ...Object(body), requestId: expect.any(String) });
    expect(await listPrompts()).toHaveLength(0);
  });

  // biome-ignore format: table, one error of the documentation per line: fault, status, code, text
  const DOCUMENTED = [
    ['invalid_token_400', 400, '400.003.01', 'Invalid Access Token'],
    ['invalid_token_401', 401, '401.002.01', 'Error Occurred - Invalid Access Token'],
    ['quota', 500, '500.003.03', 'Error Occurred: Quota Violation'],
  ] as const;
  it.each(DOCUMENTED)(
    'answers as documented: %s',
    async (fault, status, errorCode, errorMessage) => {
      await order({ on: 'push', fault });
      const heard = await desk.push();
      const requestId = expect.any(String);
      expect([heard.status, heard.body]).toEqual([status, { requestId, errorCode, errorMessage }]);
      expect(await listPrompts()).toHaveLength(0);
    },
  );

  it('of a wrong key or secret says nothing at all, as Daraja', async () => {
    await order({ on: 'oauth', fault: 'wrong_credentials' });
    const heard = await desk.grant();
    const { http } = readFixture('oauth-error-wrong-credentials');
    expect([heard.status, heard.text]).toEqual([http.status, '']);
  });

  const html = readFixture('error-waf-block').body;
  // biome-ignore format: table, one fault per line
  const ODD: readonly (readonly [string, (heard: Heard) => unknown, unknown])[] = [
    ['500', ({ status, body }) => [status, body.errorCode], [500, '500.003.1001']],
    ['html_200', ({ status, text }) => [status, text], [200, html]],
    ['html_403', ({ status, text }) => [status, text], [403, html]],
    ['empty_200', ({ status, text }) => [status, text], [200, '']],
    ['429', ({ status, body }) => [status, body], [429, readFixture('error-spike-arrest-apigee').body]],
    ['slow', ({ status, body }) => [status, body.ResponseCode], [200, '0']],
  ];
  it.each(ODD)('%s is seen on the wire', async (fault, see, expected) => {
    await order({ on: 'push', fault, delay_ms: 20 });
    expect(see(await desk.push())).toEqual(expected);
    expect((await desk.push({ PhoneNumber: '254700000098', PartyA: '254700000098' })).status).toBe(
      200,
    );
  });

  it.each([
    ['reset', false, 0],
    ['reset', true, 1],
    ['truncate', false, 0],
    ['truncate', true, 1],
  ] as const)('%s loses the answer; with act %s it was done first', async (fault, act, rings) => {
    await order({ on: 'push', fault, act });
    await expect(desk.push()).rejects.toThrow();
    expect(await listPrompts()).toHaveLength(rings);
  });

  it('timeout holds the answer back, and cuts the line in the end', async () => {
    await order({ on: 'push', fault: 'timeout', act: true });
    const pushed = desk.push().then(
      () => 'answered',
      () => 'cut',
    );
    while ((await listPrompts()).length === 0);
    const held = desk.ledger().then(() => 'held');
    expect(await Promise.race([pushed, held])).toBe('held');
    await desk.control('DELETE', 'faults');
    expect(await pushed).toBe('cut');
  });

  it('waits as long as it is told, and asks the caller to', async () => {
    await order({ on: 'push', fault: 'slow', delay_ms: 200 });
    const startedMs = performance.now();
    await desk.push();
    expect(performance.now() - startedMs).toBeGreaterThan(190);
    await order({ on: 'oauth', fault: '429', retry_after_s: 7 });
    expect((await desk.grant()).headers.get('retry-after')).toBe('7');
  });

  it('names the field that it is told to name', async () => {
    await order({ on: 'push', fault: 'invalid_field', field: 'Amount' });
    expect((await desk.push()).body.errorMessage).toBe('Bad Request - Invalid Amount');
  });

  it('meets its own call, phone and count only, and tells how often it struck', async () => {
    await order({ on: 'push', phone: '254700000099', fault: '500', times: 2 });
    const other = { PhoneNumber: '254700000098', PartyA: '254700000098' };
    const statuses: number[] = [];
    for (const changes of [other, {}, {}, {}]) statuses.push((await desk.push(changes)).status);
    expect(statuses).toEqual([200, 500, 500, 200]);
    expect((await desk.grant()).status).toBe(200);
    const { text } = await desk.control('GET', 'faults');
    expect(JSON.parse(text)).toMatchObject([{ on: 'push', times: 0, hits: 2, act: false }]);
  });

  it('of a query is known by the phone of its prompt', async () => {
    const id = idOf(await desk.push());
    await order({ on: 'query', phone: '254700000099', fault: 'html_403' });
    expect((await desk.query(id)).status).toBe(403);
  });

  it('is forgotten when all are', async () => {
    await order({ on: 'push', fault: '500' });
    expect((await desk.control('DELETE', 'faults')).text).toBe('[]');
    expect((await desk.push()).status).toBe(200);
  });
});

describe('an order', () => {
  // biome-ignore format: table, one order per line
  it.each([
    [{ fault: '500' }, /^on is missing: oauth, push, query, reversal, status$/],
    [{ on: 'push' }, /^fault is missing: .*timeout.*invalid_token/],
    [{ on: 'refund', fault: '500' }, /^on takes oauth, push, query, reversal, status, not "refund"/],
    [{ on: 'push', fault: 'loud' }, /^fault takes .*timeout.*invalid_token.*not "loud"/],
    [{ on: 'push', fault: 500 }, /^fault takes/],
    [{ on: 'push', fault: '500', phone: 254700000099 }, /^phone takes a text or null/],
    [{ on: 'oauth', fault: '500', phone: '254700000099' }, /^phone never matches/],
    [{ on: 'push', fault: '500', act: 'yes' }, /^act takes true or false/],
    [{ on: 'push', fault: 'slow', delay_ms: -1 }, /^delay_ms takes a whole number from 0/],
    [{ on: 'push', fault: '429', retry_after_s: '7' }, /^retry_after_s takes a whole number/],
    [{ on: 'push', fault: 'invalid_field', field: '' }, /^field takes a text/],
    [{ on: 'push', fault: '500', times: 0 }, /^times takes a whole number from 1/],
    [{ on: 'push', fault: '500', times: 1.5 }, /^times takes a whole number from 1/],
    [{ on: 'push', fault: '500', phones: 'all' }, /^there is no phones; there are on, phone, act/],
    ['{"on": "push", ', /^the body is not a JSON object$/],
    ['[]', /^the body is not a JSON object$/],
  ] as const)('of a fault %j is refused', async (body, detail) => {
    const heard = await order(body);
    expect([heard.status, heard.body]).toEqual([400, { detail: expect.stringMatching(detail) }]);
    expect((await desk.control('GET', 'faults')).text).toBe('[]');
  });

  // biome-ignore format: table, one order per line
  it.each([
    [{ answer_mode: 'loud' }, /^answer_mode takes auto, manual, not "loud"$/],
    [{ volume: 11 }, /^there is no volume; there are answer_mode, /],
    [{ answer_delay_ms: '20' }, /^answer_delay_ms takes a whole number from 0/],
    [{ duplicates: 0 }, /^duplicates takes a whole number from 1/],
    [{ masked_phone: 1 }, /^masked_phone takes true or false/],
    [{ callback: 'late' }, /^callback takes send, never, early, forged, not "late"/],
    [{ query_code: 1032 }, /^query_code takes a text or null/],
    [{ query_rate: { count: 1 } }, /^query_rate takes .*count.*per_ms.* or null/],
    [{ query_rate: { count: 1, per_ms: 1, burst: 1 } }, /^query_rate takes/],
    [{ callback: 'never', strictness: 'lax' }, /^strictness takes observed, strict/],
  ] as const)('of settings %j is refused, and nothing changes', async (body, detail) => {
    const before = (await desk.control('GET', 'settings')).text;
    const heard = await desk.control('PATCH', 'settings', body);
    expect([heard.status, heard.body]).toEqual([400, { detail: expect.stringMatching(detail) }]);
    expect((await desk.control('GET', 'settings')).text).toBe(before);
  });

  it('of settings is refused at the start as well', async () => {
    await expect(openDesk({ settings: { volume: 11 } })).rejects.toThrow('there is no volume');
  });

  it.each(['?to=loud', ''])('of an answer mode by %j names those there are', async (query) => {
    const heard = await desk.control('POST', `settings/answer-mode${query}`);
    expect([heard.status, heard.text]).toEqual([400, expect.stringContaining('auto, manual')]);
  });

  // biome-ignore format: table, one order per line
  it.each([
    [{ times: 0 }, /^times takes a whole number from 1/],
    [{ mutate: [] }, /^mutate takes an object/],
    [{ mutate: { amount: '1' } }, /^amount takes a number/],
    [{ mutate: { result: 0 } }, /^there is no result; there are amount, result_code/],
  ] as const)('of a callback %j is refused', async (body, detail) => {
    const id = idOf(await desk.push());
    const heard = await desk.control('POST', `callbacks/${id}/resend`, body);
    expect([heard.status, heard.body]).toEqual([400, { detail: expect.stringMatching(detail) }]);
    expect((await desk.ledger()).callbacks).toHaveLength(0);
  });

  it('that is not declared as JSON is refused', async () => {
    const type = { 'content-type': 'text/plain' };
    const body = '{"callback": "never"}';
    const heard = await send(`${desk.url}/simulator/settings`, 'PATCH', body, type);
    expect([heard.status, heard.text]).toEqual([400, expect.stringContaining('application/json')]);
  });
});
