import { money } from '../../domain/money.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import { withCleanAnswers } from '../../worker/clean-answers.ts';
import { withSealedIds } from '../../worker/sealed-ids.ts';
import { makeOutcome, VAULT } from '../factories.ts';

/** What a provider hears and says, and what the activities do. */
const ID = 'ws_CO_25112026093011214712345678';
const TOKEN = VAULT.sealId(ID);
const NEVER = new AbortController().signal;
const CONTEXT = { dispatch: () => Promise.resolve(), signal: NEVER };

/** A provider that says of everything that it succeeded, under one id. */
function openProvider(said: string | null = ID) {
  const heard: (string | null)[] = [];
  const answer = (request: { readonly providerPaymentId: string | null }) => {
    heard.push(request.providerPaymentId);
    return Promise.resolve(makeOutcome('succeeded', { providerPaymentId: said }));
  };
  const refunded = (request: { readonly providerPaymentId: string | null }) => {
    heard.push(request.providerPaymentId);
    const [providerRefundId, message] = ['re_1', 'on its way'];
    return Promise.resolve({
      kind: 'pending',
      providerRefundId,
      providerCode: null,
      message,
    } as const);
  };
  const client: ProviderClient = {
    charge: () => answer({ providerPaymentId: null }),
    lookup: answer,
    capture: answer,
    cancel: answer,
    refund: refunded,
    lookupRefund: refunded,
    learnReceipt: ({ providerPaymentId }) => {
      heard.push(providerPaymentId);
      return Promise.resolve({ kind: 'unknown', providerCode: null, message: 'of none' });
    },
    listProviderRefunds: async (request) => {
      const result = await refunded(request);
      const one = { providerRefundId: 're_1', amountMinor: 100, currency: 'KES', result };
      return [{ ...one, providerPaymentId: said ?? '' }];
    },
    close: () => Promise.resolve(),
  };
  return { client, heard };
}

const AMOUNT = money(10_000, 'KES');
const CHARGE = {
  attemptRef: 'att_1',
  workflowId: 'payment-1',
  idempotencyKey: 'pay_1/att_1/charge',
  amount: AMOUNT,
  captureMethod: 'automatic',
  returnUrl: null,
  reference: 'ORDER-1',
  description: '',
  customer: { phone: '+254712345678', email: null, name: null },
  paymentMethod: null,
  callbackUrl: 'https://pay.example.test/',
  timeoutMs: 1_000,
} as const;

/** Each call by an id that the activity holds. */
const CALLS: Readonly<
  Record<string, (client: ProviderClient, providerPaymentId: string) => Promise<object> | undefined>
> = {
  lookup: (client, providerPaymentId) =>
    client.lookup({ providerPaymentId, attemptRef: 'att_1', timeoutMs: 1_000 }, NEVER),
  capture: (client, providerPaymentId) => {
    const request = { providerPaymentId, idempotencyKey: 'k', amount: AMOUNT, timeoutMs: 1_000 };
    return client.capture?.(request, NEVER);
  },
  cancel: (client, providerPaymentId) =>
    client.cancel?.({ providerPaymentId, idempotencyKey: 'k', timeoutMs: 1_000 }, NEVER),
};
const NO_ANSWER_BY_ID: typeof CALLS = {
  refund: (client, providerPaymentId) => {
    const ids = { workflowId: 'refund-1' };
    const rest = { idempotencyKey: 'k', amount: AMOUNT, reason: 'refund', timeoutMs: 1_000 };
    const request = { ...ids, ...rest, providerPaymentId, providerReceipt: 'R', callbackUrls: {} };
    return client.refund?.(request, CONTEXT);
  },
  lookupRefund: (client, providerPaymentId) => {
    const ids = { workflowId: 'refund-1', providerRefundId: 're_1' };
    const request = { ...ids, timeoutMs: 1_000 };
    return client.lookupRefund?.({ ...request, providerPaymentId, callbackUrls: {} }, NEVER);
  },
};

it('what a charge is called comes back sealed', async () => {
  const charged = await withSealedIds(openProvider().client, VAULT).charge(CHARGE, CONTEXT);
  expect(charged).toEqual(makeOutcome('succeeded', { providerPaymentId: TOKEN }));
  const nameless = await withSealedIds(openProvider(null).client, VAULT).charge(CHARGE, CONTEXT);
  expect(nameless.providerPaymentId).toBeNull();
});

it.each(Object.entries(CALLS))(
  '%s asks by the id, and answers with the token',
  async (_name, call) => {
    const { client, heard } = openProvider();
    expect(await call(withSealedIds(client, VAULT), TOKEN)).toMatchObject({
      kind: 'succeeded',
      providerPaymentId: TOKEN,
    });
    expect(heard).toEqual([ID]);
  },
);

it('another id than the one asked by is sealed as well', async () => {
  const { client } = openProvider('ws_CO_2');
  const answer = await CALLS.lookup?.(withSealedIds(client, VAULT), TOKEN);
  expect(answer).toMatchObject({ providerPaymentId: VAULT.sealId('ws_CO_2') });
});

it.each(Object.entries(NO_ANSWER_BY_ID))('%s asks by the id', async (_name, call) => {
  const { client, heard } = openProvider();
  expect(await call(withSealedIds(client, VAULT), TOKEN)).toMatchObject({
    providerRefundId: 're_1',
  });
  expect(heard).toEqual([ID]);
});

it('learnReceipt asks by the id', async () => {
  const { client, heard } = openProvider();
  const request = { providerPaymentId: TOKEN, callbackUrls: {}, timeoutMs: 1_000 };
  await withSealedIds(client, VAULT).learnReceipt?.(request, NEVER);
  expect(heard).toEqual([ID]);
});

it('listProviderRefunds asks by the id, and answers with the token', async () => {
  const { client, heard } = openProvider();
  const request = { providerPaymentId: TOKEN, timeoutMs: 1_000 };
  const listed = await withSealedIds(client, VAULT).listProviderRefunds?.(request, NEVER);
  expect(listed).toMatchObject([{ providerRefundId: 're_1', providerPaymentId: TOKEN }]);
  expect(heard).toEqual([ID]);
});

/** Each method that a client may have; a new one does not compile until it stands here. */
const METHODS: Readonly<Record<keyof ProviderClient, true>> = {
  charge: true,
  lookup: true,
  capture: true,
  cancel: true,
  refund: true,
  lookupRefund: true,
  listProviderRefunds: true,
  learnReceipt: true,
  close: true,
};

it.each([
  ['withSealedIds', (client: ProviderClient) => withSealedIds(client, VAULT)],
  ['withCleanAnswers', withCleanAnswers],
] as const)('%s keeps each method that a client may have', (_name, wrap) => {
  const { client } = openProvider();
  expect(Object.keys(wrap(client)).sort()).toEqual(Object.keys(METHODS).sort());
});

it('it can do what the provider can, and no more', () => {
  const { client } = openProvider();
  const plain: ProviderClient = {
    charge: (request, context) => client.charge(request, context),
    lookup: (request, signal) => client.lookup(request, signal),
    close: () => client.close(),
  };
  expect(Object.keys(withSealedIds(plain, VAULT)).sort()).toEqual(['charge', 'close', 'lookup']);
});
