import {
  type Body,
  closeAll,
  type Desk,
  idOf,
  openDesk,
  openReceiver,
  type Receiver,
  readFixture,
  shapeOf,
} from './mpesa-simulator-harness.ts';

/** What the payers' phones do by themselves, in a person's hands, and how the callbacks come. */
let receiver: Receiver;
let desk: Desk;
afterEach(closeAll);

async function open(settings: Body = {}): Promise<void> {
  receiver = await openReceiver();
  desk = await openDesk({ settings: { answer_delay_ms: 20, ...settings } });
}
async function ring(digits: string, changes: Body = {}) {
  const phone = `2547000000${digits}`;
  const order = { PartyA: phone, PhoneNumber: phone, CallBackURL: receiver.url, ...changes };
  const pushed = await desk.push(order);
  return { status: pushed.status, id: idOf(pushed) };
}
const press = (id: string, answer: string) =>
  desk.control('POST', `prompts/${id}/answer`, { answer });
/** Whatever was sent by now came before the callback of one more payment. */
async function expectNoMoreThan(count: number): Promise<void> {
  await desk.control('PATCH', 'settings', { callback: 'send', duplicates: 1 });
  const { id } = await ring('98');
  expect((await receiver.take(count + 1))[count]).toMatchObject({ CheckoutRequestID: id });
}
const codesOf = (told: readonly Body[]) => told.map(({ ResultCode }) => ResultCode);

describe('a phone that answers by itself', () => {
  // biome-ignore format: table, one rule per line
  it.each([
    ['99', 0, 'stk-callback-success-balance-no-value'],
    ['01', 1032, 'stk-callback-cancelled-1032'],
    ['02', 2001, 'stk-callback-wrong-pin-2001'],
    ['03', 1, 'stk-callback-insufficient-1'],
    ['04', 1019, 'stk-callback-expired-1019'],
    ['05', 1037, 'stk-callback-timeout-1037'],
    ['07', 7777, 'stk-callback-timeout-1037'],
  ] as const)('…%s ends with %i, told as in %s', async (digits, code, name) => {
    await open();
    const { id } = await ring(digits);
    const [told] = await receiver.take(1);
    expect(told).toMatchObject({ CheckoutRequestID: id, ResultCode: code });
    const body = Object(readFixture(name).body).Body.stkCallback;
    expect(shapeOf(told)).toEqual(shapeOf(body));
    const { charges, prompts } = await desk.ledger();
    expect(charges).toHaveLength(code === 0 ? 1 : 0);
    expect(prompts).toMatchObject([{ result_code: String(code) }]);
    expect((await desk.query(id)).body.ResultCode).toBe(String(code));
  });

  it('…06 refuses the push, and rings again once a person has it', async () => {
    await open();
    expect((await ring('06')).status).toBe(500);
    await desk.control('PATCH', 'settings', { answer_mode: 'manual' });
    expect((await ring('06')).status).toBe(200);
  });

  it('…08 pays, and no callback comes', async () => {
    await open();
    await ring('08');
    expect((await desk.answered()).charges).toHaveLength(1);
    await expectNoMoreThan(0);
  });

  it('…09 rings to the end: 1037', async () => {
    await open({ prompt_lifetime_ms: 100 });
    await ring('09');
    expect(codesOf(await receiver.take(1))).toEqual([1037]);
  });

  it('…10 pays, and the callback comes twice', async () => {
    await open();
    await ring('10');
    const [first, second] = await receiver.take(2);
    expect(first).toMatchObject({ ResultCode: 0 });
    expect(JSON.stringify(Object(second).CallbackMetadata.Item[1])).toContain(
      (await desk.ledger()).charges[0]?.receipt,
    );
    expect((await desk.ledger()).charges).toHaveLength(1);
    await expectNoMoreThan(2);
  });

  it('…11 pays, and the callback is there before the answer to the push', async () => {
    await open();
    const { status } = await ring('11');
    expect([status, receiver.bodies.length]).toEqual([200, 1]);
    expect((await desk.ledger()).charges).toHaveLength(1);
  });
});

describe('a callback', () => {
  it.each([
    [{ callback: 'early', duplicates: 3 }, '99', 3],
    [{ callback: 'early' }, '10', 2],
    [{ duplicates: 2 }, '11', 2],
  ] as const)(
    'that comes early by %j to …%s comes as often as wanted',
    async (by, digits, times) => {
      await open(by);
      await ring(digits);
      expect(receiver.bodies).toHaveLength(times);
      expect((await desk.ledger()).charges).toHaveLength(1);
    },
  );

  it.each(['11', '10', '99'])('that shall never come does not, also to …%s', async (digits) => {
    await open({ callback: 'never' });
    const { id } = await ring(digits);
    await desk.answered();
    const late = await desk.control('POST', `prompts/${id}/late-success`);
    expect(late.body).toEqual({ status: null });
    await expectNoMoreThan(0);
  });

  it('that shall come early does not make …08 tell', async () => {
    await open({ callback: 'early' });
    await ring('08');
    await desk.answered();
    await expectNoMoreThan(0);
  });

  it('comes as often as the settings say', async () => {
    await open({ duplicates: 3 });
    await ring('01');
    const told = await receiver.take(3);
    expect(codesOf(told)).toEqual([1032, 1032, 1032]);
    await expectNoMoreThan(3);
  });

  it('tells of a late success after another result, with its receipt', async () => {
    await open();
    const { id } = await ring('01');
    await receiver.take(1);
    const { body } = await desk.control('POST', `prompts/${id}/late-success`);
    expect(body).toEqual({ status: 200 });
    const told = await receiver.take(2);
    expect(codesOf(told)).toEqual([1032, 0]);
    const { charges } = await desk.ledger();
    expect(JSON.stringify(told[1])).toContain(charges[0]?.receipt);
    expect((await desk.query(id)).body.ResultCode).toBe('0');
  });

  it('that is forged comes as ever, to an address with another token', async () => {
    await open({ callback: 'forged', duplicates: 2 });
    const { id } = await ring('99');
    expect(codesOf(await receiver.take(2))).toEqual([0, 0]);
    expect(receiver.paths).toEqual(['/stk/00f0', '/stk/00f0']);
    await desk.control('PATCH', 'settings', { callback: 'send' });
    await desk.control('POST', `callbacks/${id}/resend`, {});
    expect(receiver.paths.at(-1)).toBe('/stk/00ff');
  });

  it('masks the phone when told to', async () => {
    await open({ masked_phone: true });
    await ring('99');
    const [told] = await receiver.take(1);
    expect(JSON.stringify(told)).toContain('"254700***099"');
  });

  it('is sent again as ordered: changed, or as any text at all', async () => {
    await open();
    const { id } = await ring('99');
    await receiver.take(1);
    const mutate = { amount: 1, receipt: 'UKX0000001', result_code: 0 };
    await desk.control('POST', `callbacks/${id}/resend`, { times: 2, mutate });
    const [, second, third] = await receiver.take(3);
    expect(second).toEqual(third);
    expect(JSON.stringify(second)).toMatch(/"Value":1\}.*UKX0000001/);
    await desk.control('POST', `callbacks/${id}/resend`, { mutate: { raw: 'no JSON' } });
    expect(receiver.bodies.at(-1)).toBe('no JSON');
  });
});

describe('a person with the phone', () => {
  it('who looks away keeps it from answering by itself', async () => {
    await open({ answer_delay_ms: 2_500, prompt_lifetime_ms: 2_700 });
    const { id } = await ring('99');
    expect((await press(id, 'ignore')).status).toBe(200);
    expect(codesOf(await receiver.take(1))).toEqual([1037]);
    expect((await desk.ledger()).charges).toHaveLength(0);
  });

  it('who takes all phones over keeps them from answering by themselves', async () => {
    await open({ answer_delay_ms: 2_500, prompt_lifetime_ms: 2_700 });
    await ring('99');
    await desk.control('PATCH', 'settings', { answer_mode: 'manual' });
    expect(codesOf(await receiver.take(1))).toEqual([1037]);
    expect((await desk.ledger()).charges).toHaveLength(0);
  });

  it('who looked away may still pay', async () => {
    await open();
    const { id } = await ring('99');
    await press(id, 'ignore');
    await press(id, 'approve');
    expect(codesOf(await receiver.take(1))).toEqual([0]);
  });

  it('answers once; afterwards the phone rings for the next one', async () => {
    await open({ answer_mode: 'manual' });
    const { id } = await ring('99');
    expect((await ring('99')).status).toBe(500);
    expect([(await press(id, 'cancel')).status, (await press(id, 'approve')).status]).toEqual([
      200, 409,
    ]);
    expect((await ring('99')).status).toBe(200);
    expect((await desk.ledger()).charges).toHaveLength(0);
  });

  it('is told which answers there are', async () => {
    await open({ answer_mode: 'manual' });
    const { id } = await ring('99');
    const { status, text } = await press(id, 'perhaps');
    expect(status).toBe(400);
    expect(text).toMatch(/approve, cancel, wrong_pin.*ignore/);
    expect((await press('ws_CO_none', 'approve')).status).toBe(404);
  });
});
