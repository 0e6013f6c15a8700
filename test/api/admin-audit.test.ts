import type { Payment } from '../../domain/payment.ts';
import { storePaymentIn } from '../factories.ts';
import { openOperator } from './operators.ts';
import { type Body, openTestApi, type Send, type TestApi } from './server.ts';

/** Searching what happened to all payments and what operators did, and taking it along as files. */
let api: TestApi;
let viewer: Send;
let operator: { readonly id: string; readonly send: Send };
beforeEach(async () => {
  api = await openTestApi();
  viewer = (await openOperator(api, 'viewer')).send;
  operator = await openOperator(api, 'operator');
});
afterEach(() => api.close());

const PATH = '/api/v1/admin/audit';
const search = async (query = '') => (await viewer('GET', `${PATH}?${query}`)).body;
const take = (query = '') => operator.send('GET', `${PATH}/export?${query}`);
const linesOf = (text: string): readonly Body[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

/** As RFC 4180 has it: quotes are doubled within quotes, lines end in CRLF. */
function parseCsv(text: string): readonly (readonly string[])[] {
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
  const rows: string[][] = [];
  for (let row: string[] = []; cell.lastIndex < text.length; ) {
    const found = cell.exec(text);
    if (found === null) throw new Error('not a CSV file');
    row.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? '');
    if (found[3] === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

/** A refund for this reason; the merchant's words come to stand in the trail. */
async function refundFor(reason: string): Promise<Payment> {
  const payment = await storePaymentIn(api.pool, 'succeeded');
  const answer = await api.send('POST', `/api/v1/payments/${payment.id}/refunds`, {
    body: { amount: 100, reason },
  });
  expect(answer.status).toBeLessThan(300);
  return payment;
}

test('entries of all merchants are searched, filtered and paged', async () => {
  const other = await api.openMerchant();
  const mine = await storePaymentIn(api.pool, 'succeeded');
  const others = await storePaymentIn(api.pool, 'created', { merchantId: other.id });
  const all = await search();
  expect(all.data.map(({ payment_id }) => payment_id)).toEqual([
    others.id,
    ...Array.from({ length: 3 }, () => mine.id),
  ]);
  expect(all.data[0]).toMatchObject({ merchant_id: other.id, actor: 'merchant', sequence: 1 });
  expect((await search(`merchant_id=${other.id}`)).data).toEqual(all.data.slice(0, 1));
  expect((await search(`payment_id=${mine.id}`)).data).toEqual(all.data.slice(1));
  expect((await search('action=payment.succeeded')).data).toEqual(all.data.slice(1, 2));
  expect((await search('actor=operator')).data).toEqual([]);
  const settledAt = String(all.data[1]?.at);
  const earlier = await search(`before=${settledAt}`);
  for (const { at } of earlier.data) expect(String(at) < settledAt).toBe(true);
  expect((await search(`from=${settledAt}`)).data.map(({ id }) => id)).toContain(all.data[1]?.id);
  const page = await search('limit=2');
  expect(page).toMatchObject({ data: all.data.slice(0, 2), has_more: true });
  const rest = await search(`limit=2&cursor=${page.next_cursor}`);
  expect(rest).toMatchObject({ data: all.data.slice(2), has_more: false });
});

test('an export in CSV has what the search finds, and opens as a file', async () => {
  await refundFor('one item "less", or two');
  const { data } = await search();
  const { status, headers, text } = await take();
  expect([status, headers.get('content-type')]).toEqual([
    200,
    'text/csv; charset=utf-8; header=present',
  ]);
  expect(headers.get('content-disposition')).toMatch(
    /^attachment; filename="malipo-audit-[\d-]{10}-[\d-]{10}\.csv"$/,
  );
  const [names = [], ...rows] = parseCsv(text);
  const read = rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i]])));
  expect(read.map(({ id }) => id)).toEqual(data.map(({ id }) => id));
  expect(read[0]).toEqual({
    at: data[0]?.at,
    merchant_id: data[0]?.merchant_id,
    payment_id: data[0]?.payment_id,
    sequence: '4',
    action: 'refund.created',
    from: '',
    to: 'pending',
    actor: 'merchant',
    cause: 'one item "less", or two',
    details: JSON.stringify(data[0]?.details),
    hash: data[0]?.hash,
    id: data[0]?.id,
  });
});

test.each(['=HYPERLINK("http://x")', '+1', '-1', '@SUM(A1)'])(
  'a spreadsheet takes a merchant’s %s for text',
  async (reason) => {
    await refundFor(reason);
    const [names = [], row = []] = parseCsv((await take('action=refund.created')).text);
    expect(row[names.indexOf('cause')]).toBe(`'${reason}`);
  },
);

test('an export in lines of JSON is the search, line by line', async () => {
  await storePaymentIn(api.pool, 'failed');
  await storePaymentIn(api.pool, 'succeeded');
  const { headers, text } = await take('format=jsonl&action=payment.succeeded');
  expect(headers.get('content-type')).toBe('application/jsonl; charset=utf-8');
  expect(linesOf(text)).toEqual((await search('action=payment.succeeded')).data);
});

test('an export of nothing is a file all the same', async () => {
  const [names, ...rows] = parseCsv((await take()).text);
  expect([names?.length, rows]).toEqual([12, []]);
  expect((await take('format=jsonl')).text).toBe('');
});

test('only so much time is exported at once, and not to everybody', async () => {
  const long = await take('from=2026-01-01T00:00:00Z&before=2026-06-01T00:00:00Z');
  expect(long).toMatchObject({ status: 400, body: { errors: [{ pointer: '/from' }] } });
  await storePaymentIn(api.pool, 'created');
  const old = await take('format=jsonl&from=2026-01-01T00:00:00Z&before=2026-02-01T00:00:00Z');
  expect(old).toMatchObject({ status: 200, text: '' });
  expect((await take('format=xlsx')).status).toBe(400);
  expect((await viewer('GET', `${PATH}/export`)).status).toBe(403);
});

test('who exported what is kept, and is exported itself', async () => {
  await take('actor=operator');
  const acts = await viewer('GET', '/api/v1/admin/activity?action=adminExportAudit');
  expect(acts.body.data).toMatchObject([
    { operator_id: operator.id, status: 200, request_summary: '{"actor":"operator"}' },
  ]);
  const past = await viewer('GET', '/api/v1/admin/activity?before=2026-01-01T00:00:00Z');
  expect(past.body.data).toEqual([]);
  const file = await operator.send('GET', '/api/v1/admin/activity/export?action=adminExportAudit');
  const [names = [], ...rows] = parseCsv(file.text);
  expect(rows).toHaveLength(1);
  expect(rows[0]?.[names.indexOf('request_summary')]).toBe('{"actor":"operator"}');
  const path = `/api/v1/admin/activity/export?format=jsonl&operator_id=${operator.id}`;
  const lines = await operator.send('GET', `${path}&action=adminExportAudit`);
  expect(linesOf(lines.text)).toEqual(acts.body.data);
});

describe('an export of several pages', () => {
  const COUNT = 1_200;
  const fill = async () => {
    const { id } = await storePaymentIn(api.pool, 'created');
    const keys = Array.from({ length: COUNT - 1 }, (_, index) => `note/${index}`);
    await api.database.queryAsOwner(
      `INSERT INTO audit_entries (id, payment_id, key, action, actor, cause)
       SELECT new_id('aud'), $1, key, 'payment.callback_unclear', 'provider', 'a test'
       FROM unnest($2::text[]) AS key`,
      [id, keys],
    );
  };

  test('has each entry once', async () => {
    await fill();
    const lines = linesOf((await take('format=jsonl')).text);
    expect(lines.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: COUNT }, (_, index) => COUNT - index),
    );
  });

  test('breaks the connection when it cannot go on, so that no half looks whole', async () => {
    await fill();
    await api.database.changeBehindTheTrigger(
      "UPDATE audit_entries SET action = 'no.such.action' WHERE seq = 1",
    );
    await expect(take('format=jsonl')).rejects.toThrow();
    expect((await take('format=jsonl&action=payment.callback_unclear')).status).toBe(200);
  });

  test('is a proper problem when it cannot even begin', async () => {
    await api.database.queryAsOwner('ALTER TABLE audit_entries RENAME TO gone');
    expect(await take()).toMatchObject({ status: 500, body: { code: 'internal_error' } });
  });
});
