import { constants, publicEncrypt } from 'node:crypto';
import type { ProviderClient } from '../../domain/provider.ts';
import { type ReceiptQuestion, receiptMismatch } from '../../domain/receipt.ts';
import type { Translation } from '../../domain/webhook-event.ts';
import { mpesa } from '../../providers/mpesa/index.ts';
import { SANDBOX } from '../../providers/mpesa/simulator.ts';
import { connect, errorOf, makeContext, makeRequest } from './contract/harness.ts';
import {
  closeAll,
  type Desk,
  openDesk,
  openReceiver,
  type Receiver,
  readFixture,
} from './mpesa-simulator-harness.ts';

/** How the receipt of a payment is learned that no callback told of. */
let desk: Desk;
let client: ProviderClient;
let receiver: Receiver;
beforeEach(async () => {
  desk = await openDesk({ settings: { answer_mode: 'manual', callback: 'never' } });
  client = connectWith({});
  receiver = await openReceiver();
});
afterEach(async () => {
  await client.close();
  await closeAll();
});

function connectWith(changes: Readonly<Record<string, string | undefined>>): ProviderClient {
  const credentials = { ...SANDBOX.credentials, base_url: desk.url, ...changes };
  const given = Object.entries(credentials).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return connect(mpesa, Object.fromEntries(given));
}

const payer = {
  name: 'approves',
  request: (serial: number) => ({
    customer: { phone: `+2547${String(serial).padStart(8, '0')}`, email: null, name: null },
  }),
};
async function pay(answer: string | null = 'approve'): Promise<string> {
  const { providerPaymentId } = await client.charge(
    makeRequest(payer, receiver.url),
    makeContext(),
  );
  const id = String(providerPaymentId);
  if (answer !== null) await desk.control('POST', `prompts/${id}/answer`, { answer });
  return id;
}
const ask = (providerPaymentId: string | null, by = client) => {
  const callbackUrls = { rcp: `${receiver.url}rcp0`, rcx: `${receiver.url}rcx0` };
  const request = { providerPaymentId, callbackUrls, timeoutMs: 5_000 };
  return by.learnReceipt?.(request, new AbortController().signal) ?? Promise.reject();
};
async function questionOf(id: string): Promise<ReceiptQuestion> {
  const answer = await ask(id);
  if (answer.kind !== 'asked') throw new Error(answer.message);
  return answer.question;
}
/** The results at our address, once there are so many. */
async function heard(count: number): Promise<readonly string[]> {
  while (receiver.bodies.length < count) await new Promise((resolve) => setTimeout(resolve, 10));
  return receiver.bodies;
}
function translate(channel: string, body: string): Translation {
  const webhook = mpesa.refundWebhooks.find((it) => it.channel === channel);
  if (webhook === undefined) throw new Error(`there is no channel ${channel}`);
  return webhook.translate(Buffer.from(body));
}
function receiptIn(body = '') {
  const read = translate('rcp', body);
  if (read.kind !== 'refund_event' || read.event.kind !== 'receipt') throw new Error(read.kind);
  return read.event;
}

it('is told at an address of its own, and is the one in the ledger', async () => {
  const question = await questionOf(await pay());
  const event = receiptIn((await heard(1))[0]);
  const [charge] = (await desk.ledger()).charges;
  expect(event).toMatchObject({ receipt: charge?.receipt, receiver: '174379' });
  expect(receiptMismatch(event, question, (charge?.amount ?? 0) * 100)).toBeNull();
});

it('is of the payment that was asked about, among others', async () => {
  const [first, second] = [await pay(), await pay()];
  const question = await questionOf(first);
  const event = receiptIn((await heard(1))[0]);
  const prompts = (await desk.ledger()).charges.map(({ receipt }) => receipt);
  expect(event.receipt).toBe(prompts[0]);
  await questionOf(second);
  const other = receiptIn((await heard(2))[1]);
  expect(receiptMismatch(other, question, other.amountMinor ?? 0)).toContain('another payment');
});

it('told twice is one event', async () => {
  await desk.control('PATCH', 'settings', { status: 'twice' });
  await questionOf(await pay());
  const [one = '', two = ''] = await heard(2);
  expect(translate('rcp', two)).toEqual(translate('rcp', one));
});

it.each([
  ['unknown', 'R000002'],
  ['wrong_amount', 'another amount'],
])('that is %s is not believed', async (status, why) => {
  await desk.control('PATCH', 'settings', { status });
  const question = await questionOf(await pay());
  const event = receiptIn((await heard(1))[0]);
  const [charge] = (await desk.ledger()).charges;
  expect(receiptMismatch(event, question, (charge?.amount ?? 0) * 100)).toContain(why);
});

it('is told to nobody, or to a forged address, where the simulator is set so', async () => {
  const id = await pay();
  for (const status of ['never', 'forged', 'tell']) {
    await desk.control('PATCH', 'settings', { status });
    await questionOf(id);
  }
  await heard(2);
  const places = receiver.paths.map((path) => path.slice(-4));
  expect(places).toEqual(['rcp1', 'rcp0']);
});

const { initiator_name, initiator_password, certificate } = SANDBOX.credentials;
const seal = (password: string) => {
  const key = { key: certificate, padding: constants.RSA_PKCS1_PADDING };
  return publicEncrypt(key, Buffer.from(password)).toString('base64');
};

describe('asked for by the receipt, on the wire,', () => {
  const askFor = async (changes: object = {}) => {
    await pay();
    const [charge] = (await desk.ledger()).charges;
    const answer = await desk.ask('POST', '/mpesa/transactionstatus/v1/query', {
      Initiator: initiator_name,
      SecurityCredential: seal(initiator_password),
      CommandID: 'TransactionStatusQuery',
      TransactionID: charge?.receipt,
      PartyA: '174379',
      IdentifierType: '4',
      ResultURL: receiver.url,
      QueueTimeOutURL: receiver.url,
      Remarks: 'OK',
      ...changes,
    });
    const [body = ''] = await heard(1);
    return { receipt: charge?.receipt, answer, body };
  };

  it('it is told in one conversation, which the answer and the result name alike', async () => {
    const { receipt, answer, body } = await askFor();
    expect(receiptIn(body).receipt).toBe(receipt);
    const { OriginatorConversationID, ConversationID } = answer.body;
    expect([answer.status, ConversationID]).toEqual([
      200,
      expect.stringMatching(/^AG_\d{8}_[0-9a-f]{20}$/),
    ]);
    const result = { OriginatorConversationID, ConversationID };
    expect(JSON.parse(body)).toMatchObject({ Result: result });
  });

  it.each([
    ['of another name', { Initiator: 'somebody' }],
    ['with a wrong password', { SecurityCredential: seal('wrong') }],
    ['whose password nobody can open', { SecurityCredential: 'sealed' }],
  ])('it is told to no initiator %s', async (_who, changes) => {
    const { answer, body } = await askFor(changes);
    expect(answer.status).toBe(200);
    expect(receiptIn(body)).toMatchObject({
      receipt: null,
      providerCode: '2001',
      isMisconfigured: true,
    });
  });
});

it('of a till may have come in at the till or at its store', async () => {
  const till = connectWith({ transaction_type: 'till', till_number: '600100' });
  const answer = await ask(await pay(), till);
  await till.close();
  expect(answer).toMatchObject({ question: { receivers: ['174379', '600100'] } });
});

it('does not exist for a payment that Daraja says was not paid', async () => {
  const answer = await ask(await pay('cancel'));
  expect(answer).toMatchObject({ kind: 'unknown', message: expect.stringContaining('canceled') });
  expect((await desk.ledger()).requests.status).toBe(0);
});

it('cannot be asked for without Daraja’s own id', async () => {
  expect(await ask(null)).toMatchObject({ kind: 'unknown' });
});

it('is asked for again while Daraja is at it', async () => {
  expect(await errorOf(ask(await pay(null)))).toMatchObject({ kind: 'unsent' });
});

it('takes an initiator', async () => {
  const bare = connectWith({ initiator_name: undefined });
  const error = await errorOf(ask(await pay(), bare));
  await bare.close();
  expect(error).toMatchObject({ kind: 'misconfigured' });
});

it.each([
  ['OriginalConversationID', { kind: 'unknown' }],
  ['TransactionID', { kind: 'unknown' }],
])('is not to be had where Daraja refuses the field %s', async (field, answer) => {
  const id = await pay();
  await desk.control('POST', 'faults', { on: 'status', fault: 'invalid_field', field });
  expect(await ask(id)).toMatchObject(answer);
});

it('is asked for again after a fault of the line', async () => {
  const id = await pay();
  await desk.control('POST', 'faults', { on: 'status', fault: 'reset' });
  expect(await errorOf(ask(id))).toMatchObject({ kind: 'ambiguous' });
  await questionOf(id);
});

it('is read out of the documented result', () => {
  expect(receiptIn(JSON.stringify(readFixture('transaction-status-result').body))).toEqual({
    kind: 'receipt',
    receipt: 'UJ7A1B2C3D',
    amountMinor: 100,
    conversation: 'a1b2-4c3d-9e8f-0a1b2c3d4e5f701230',
    receiver: '600992',
    providerCode: '0',
    message: expect.any(String),
  });
});

it('of a payment that is not completed is none', () => {
  const { body } = readFixture('transaction-status-result');
  const open = JSON.stringify(body).replace('"Completed"', '"Authorized"');
  expect(receiptIn(open)).toMatchObject({ receipt: null });
});

type Changes = Readonly<Record<string, string | number>>;

/** The documented result, with other values of its parameters. */
function resultWith(changes: Changes, code: string | number = 0): string {
  const { body } = readFixture('transaction-status-result');
  return JSON.stringify(body, (_key, part: unknown) => {
    if (typeof part !== 'object' || part === null) return part;
    if ('ResultCode' in part) return { ...part, ResultCode: code };
    const key = 'Key' in part ? String(part.Key) : '';
    return Object.hasOwn(changes, key) ? { ...part, Value: changes[key] } : part;
  });
}

// biome-ignore format: table, one name per line: as Daraja says it, and what is kept of it
it.each([
  ['600992 - Duka', '600992'],
  ['12345678 - Duka la Till', '12345678'],
  ['Duka', null],
  ['', null],
  ['712345678 - Jane DOE', 'another'],
  ['0712345678', 'another'],
  ['254712345678 - Jane DOE', 'another'],
  [254_712_345_678, 'another'],
])('went to %j, of which %j is kept', (CreditPartyName, receiver) => {
  const told = translate('rcp', resultWith({ CreditPartyName }));
  expect(told).toMatchObject({ event: { receiver } });
  expect(JSON.stringify(told)).not.toMatch(/712345678|DOE/);
});

it('that went to a person is not believed', () => {
  const event = receiptIn(resultWith({ CreditPartyName: '254712345678 - Jane DOE' }));
  const question = { conversation: String(event.conversation), receivers: ['600992'] };
  expect(receiptMismatch(event, question, 100)).toContain('another receiver');
});

it.each(['', ' '])('of a completed payment that is told as %j is none', (ReceiptNo) => {
  expect(receiptIn(resultWith({ ReceiptNo }))).toMatchObject({ receipt: null });
  const status = translate('rst', resultWith({ ReceiptNo }));
  expect(status).toMatchObject({ event: { kind: 'unknown' } });
});

it.each([
  [2001, true],
  [21, true],
  ['2006', true],
  [1, undefined],
  ['R000002', undefined],
  [0, undefined],
])('with the result code %j says whether our configuration is to remedy: %j', (code, says) => {
  const { isMisconfigured, message } = receiptIn(resultWith({}, code));
  expect([isMisconfigured, message.includes('initiator_name')]).toEqual([says, says === true]);
});

it('was not learned when the question timed out in the queue', () => {
  const event = { kind: 'receipt', receipt: null };
  expect(translate('rcx', '')).toMatchObject({ kind: 'refund_event', event });
});

it('is not in what is no result', () => {
  expect(translate('rcp', '{}')).toMatchObject({ kind: 'malformed' });
});
