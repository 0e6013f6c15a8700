import { type MisbehavingServer, ok, openServer, problem, reset } from './server.ts';

/** Lists that are read to their end, and payments that are watched. */
let server: MisbehavingServer;
beforeAll(async () => {
  server = await openServer();
});
afterAll(() => server.close());

const page = (ids: readonly string[], next_cursor: string | null) =>
  ok({
    object: 'list',
    data: ids.map((id) => ({ id })),
    has_more: next_cursor !== null,
    next_cursor,
  });
const paths = () => server.received.map(({ path }) => path.replace('/api/v1/', ''));

test('a list asks for page after page, and keeps its filters', async () => {
  server.play(page(['a', 'b'], 'c1'), reset, page(['c'], 'c2'), page([], null));
  const ids: string[] = [];
  const query = { limit: 2, status: ['failed' as const, 'canceled' as const], phone: undefined };
  for await (const { id } of server.client().payments.list(query)) ids.push(id);
  expect(ids).toEqual(['a', 'b', 'c']);
  const filters = 'payments?limit=2&status=failed%2Ccanceled';
  expect(paths()).toEqual([
    filters,
    `${filters}&cursor=c1`,
    `${filters}&cursor=c1`,
    `${filters}&cursor=c2`,
  ]);
});

test('a list asks for no page that nobody reads', async () => {
  server.play(page(['a', 'b'], 'c1'));
  for await (const { id } of server.client().events.list()) if (id === 'b') break;
  expect(paths()).toEqual(['events']);
});

test('a list that is left and taken up again begins anew, or where it is told', async () => {
  server.play(page(['a'], null));
  const list = server.client().events.list({ cursor: '764-12' });
  for (const _time of [1, 2]) {
    const ids: string[] = [];
    for await (const { id } of list) ids.push(id);
    expect(ids).toEqual(['a']);
  }
  expect((await list.page()).next_cursor).toBeNull();
  expect(new Set(paths())).toEqual(new Set(['events?cursor=764-12']));
});

test('a page that is refused ends the iteration', async () => {
  server.play(page(['a'], 'c1'), problem(400, 'invalid_request', false));
  const ids: string[] = [];
  const read = async () => {
    for await (const { id } of server.client().deliveries.list()) ids.push(id);
  };
  await expect(read()).rejects.toMatchObject({ code: 'invalid_request' });
  expect(ids).toEqual(['a']);
});

describe('waiting for a payment', () => {
  const as = (status: string) => ok({ id: 'pay_1', status }, 200);

  it.each(['requires_action', 'authorized', 'needs_review', 'succeeded', 'failed', 'canceled'])(
    'ends when it is %s',
    async (status) => {
      server.play(as('created'), as('processing'), reset, as('processing'), as(status));
      const seen = await server.client().payments.waitFor('pay_1', { pollIntervalMs: 2 });
      expect(seen.status).toBe(status);
      expect(server.received).toHaveLength(5);
    },
  );

  it('goes on while the payer acts, where that is asked for', async () => {
    server.play(as('requires_action'), as('processing'), as('succeeded'));
    const options = { pollIntervalMs: 2, isPayerActing: true };
    const seen = await server.client().payments.waitFor('pay_1', options);
    expect(seen.status).toBe('succeeded');
  });

  it('gives it as it stands when time is over', async () => {
    server.play(as('processing'));
    const options = { pollIntervalMs: 20, timeoutMs: 1_500 };
    const seen = await server.client().payments.waitFor('pay_1', options);
    expect(seen.status).toBe('processing');
    expect(server.received.length).toBeGreaterThan(2);
  });

  it('ends when the caller gives up', async () => {
    server.play(as('processing'));
    const signal = AbortSignal.timeout(50);
    const waiting = server.client().payments.waitFor('pay_1', { pollIntervalMs: 60_000, signal });
    await expect(waiting).rejects.toThrow('the caller gave up');
  });

  it('is the same for a refund, until it is not pending', async () => {
    server.play(as('pending'), as('needs_review'));
    const seen = await server.client().refunds.waitFor('ref_1', { pollIntervalMs: 2 });
    expect(seen.status).toBe('needs_review');
    expect(paths()).toEqual(['refunds/ref_1', 'refunds/ref_1']);
  });
});
