import { ProviderError } from '../../domain/error.ts';
import type { ChargeResult, Outcome } from '../../domain/outcome.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import type { ReceiptAnswer } from '../../domain/receipt.ts';
import type { RefundResult } from '../../domain/refund.ts';
import { isStorable } from '../../domain/text.ts';
import { withCleanAnswers } from '../../worker/clean-answers.ts';
import { makeOutcome } from '../factories.ts';

/** What a provider says must be fit to be written down, whichever call it answers. */
const ODD = ['\0', '\ud83d', '\ude00'] as const;

type Answers = {
  readonly payment?: ChargeResult;
  readonly refund?: RefundResult;
  readonly receipt?: ReceiptAnswer;
};
const outcome = (changes: Partial<Outcome>) => ({ payment: makeOutcome('declined', changes) });
const refund = (changes: Partial<RefundResult>): Answers => ({
  refund: {
    kind: 'pending',
    providerRefundId: 're_1',
    providerCode: '0',
    message: 'on its way',
    ...changes,
  } as RefundResult,
});
const answersWith = (
  text: string,
): readonly (readonly [what: string, Answers, isRead: boolean])[] => [
  ['a code', outcome({ providerCode: text }), true],
  ['a receipt', outcome({ receipt: text }), true],
  [
    'a failure',
    outcome({ failure: { code: 'declined', message: text, providerCode: text } }),
    true,
  ],
  ['an id', outcome({ providerPaymentId: text }), false],
  [
    'a message',
    {
      payment: { kind: 'pending', providerPaymentId: 'p', providerCode: text, message: text },
    },
    true,
  ],
  [
    'an address',
    {
      payment: {
        kind: 'action_required',
        providerPaymentId: 'p',
        providerCode: null,
        message: '',
        nextAction: { type: 'redirect_to_url', url: text },
      },
    },
    false,
  ],
  ['a refund’s message', refund({ message: text, providerCode: text }), true],
  ['a refund’s id', refund({ providerRefundId: text }), false],
  [
    'a receipt’s message',
    { receipt: { kind: 'unknown', providerCode: text, message: text } },
    true,
  ],
];
const CASES = ODD.flatMap((odd) => answersWith(`so${odd}so`));

test.each(CASES)('%s that cannot be kept', async (_what, answers, isRead) => {
  const asked = await Promise.allSettled(askAll(withCleanAnswers(openProvider(answers))));
  expect(asked.length).toBeGreaterThan(0);
  for (const answer of asked) {
    if (!isRead) {
      expect(answer).toMatchObject({ status: 'rejected', reason: { kind: 'ambiguous' } });
    } else {
      expect(answer.status).toBe('fulfilled');
      expect(isStorable(answer)).toBe(true);
    }
  }
});

test('what can be kept comes as it was said', async () => {
  const payment = makeOutcome('succeeded');
  const [said] = await Promise.all(askAll(withCleanAnswers(openProvider({ payment }))));
  expect(said).toEqual(payment);
});

test('an error’s words are whole characters too, and short', () => {
  const error = new ProviderError('ambiguous', `half \ud83d, NUL \0 ${'😀'.repeat(900)}`, {
    providerCode: '\0\ud800',
  });
  expect(isStorable([error.message, error.providerCode])).toBe(true);
  expect(Array.from(error.message)).toHaveLength(500);
});

test('what a list of refunds says is cleaned, and nothing is put into it', async () => {
  const result: RefundResult = {
    kind: 'pending',
    providerRefundId: 're_1',
    providerCode: '0',
    message: 'half \ud83d',
  };
  const refund = {
    providerRefundId: 're_1',
    providerPaymentId: 'pi_1',
    amountMinor: 100,
    currency: 'KES',
    result,
  };
  const client = { ...openProvider({}), listProviderRefunds: () => Promise.resolve([refund]) };
  const listed = await withCleanAnswers(client).listProviderRefunds?.(request(), signal);
  expect(listed).toEqual([{ ...refund, result: { ...result, message: 'half \ufffd' } }]);
});

function openProvider({ payment, refund: refunded, receipt }: Answers): ProviderClient {
  const { kind } = payment ?? { kind: 'pending' };
  const told = async () => {
    if (payment === undefined) throw new Error('not asked here');
    return await Promise.resolve(payment);
  };
  const lookup = async () => {
    const answer = await told();
    if (answer.kind === 'action_required') throw new ProviderError('ambiguous', kind);
    return answer;
  };
  return {
    charge: told,
    lookup,
    capture: lookup,
    cancel: lookup,
    ...(refunded && {
      refund: () => Promise.resolve(refunded),
      lookupRefund: () => Promise.resolve(refunded),
    }),
    ...(receipt && { learnReceipt: () => Promise.resolve(receipt) }),
    close: () => Promise.resolve(),
  };
}

const signal = new AbortController().signal;
/** Providers of this test read nothing of it. */
const request = <T>(): T => JSON.parse('{}');

function askAll(client: ProviderClient): readonly Promise<object>[] {
  const context = { dispatch: () => Promise.resolve(), signal };
  if (client.refund && client.lookupRefund) {
    return [client.refund(request(), context), client.lookupRefund(request(), signal)];
  }
  if (client.learnReceipt) return [client.learnReceipt(request(), signal)];
  if (!client.capture || !client.cancel) throw new Error('the wrapped client lost a method');
  return [
    client.charge(request(), context),
    client.lookup(request(), signal),
    client.capture(request(), signal),
    client.cancel(request(), signal),
  ];
}

it.each(['stripe', 'cpay', 'mpesa'] as const)(
  'a client of %s keeps each of its calls',
  async (name) => {
    const { PROVIDERS } = await import('../../providers/index.ts');
    const { SANDBOX } = await import(`../../providers/${name}/simulator.ts`);
    const reading = PROVIDERS[name].readCredentials({
      ...SANDBOX.credentials,
      base_url: 'http://127.0.0.1:1',
    });
    if (!reading.ok) throw new Error(reading.faults.join());
    const client = PROVIDERS[name].connect(reading.credentials);
    expect(Object.keys(withCleanAnswers(client)).sort()).toEqual(Object.keys(client).sort());
    await client.close();
  },
);
