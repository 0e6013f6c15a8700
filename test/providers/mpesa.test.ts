import { SANDBOX, startSimulator } from '../../providers/mpesa/simulator.ts';
import { pickPort } from '../../sandbox/ports.ts';
import type { Call, CallbackManner, Counterpart, Payer, Spoil } from './contract/description.ts';
import { describeProvider } from './contract.ts';
import { MPESA } from './mpesa-account.ts';

const PRESSES: Readonly<Record<string, string>> = {
  approves: 'approve',
  cancels: 'cancel',
  'enters a wrong PIN': 'wrong_pin',
  'has no funds': 'no_funds',
  'is away': 'unreachable',
  'is too late': 'expire',
};

type Book = {
  readonly prompts: readonly { readonly checkout_request_id: string }[];
  readonly charges: readonly (Sum & { readonly checkout_request_id: string })[];
  readonly reversals: readonly (Sum & { readonly result_code: string | null })[];
};
type Sum = { readonly receipt: string; readonly amount: number };
const minorOf = (sums: readonly Sum[]) => sums.reduce((sum, { amount }) => sum + amount * 100, 0);

const TILL = { transaction_type: 'till', till_number: '600100' };

/** Each phone waits for its payer, so that a test says when a prompt is answered. */
async function open(changes: object = {}): Promise<Counterpart> {
  const { port } = await pickPort(0);
  const simulator = await startSimulator({
    port,
    // Our client keeps to what is documented, whatever the sandbox was seen to take.
    settings: { answer_mode: 'manual', strictness: 'strict', reversal_delay_ms: 50 },
  });
  const order = async (method: 'POST' | 'PATCH', path: string, body: object) => {
    const answer = await fetch(`${simulator.url}/simulator/${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  };
  return {
    credentials: { ...SANDBOX.credentials, ...changes, base_url: simulator.url },
    async listPayments({ reference }) {
      const answer = await fetch(`${simulator.url}/simulator/book?account_reference=${reference}`);
      const book: Book = JSON.parse(await answer.text());
      return book.prompts.map(({ checkout_request_id: providerPaymentId }) => {
        const taken = book.charges.filter((it) => it.checkout_request_id === providerPaymentId);
        const refunded = book.reversals.filter(
          ({ receipt, result_code }) =>
            (result_code === '0' || result_code === null) &&
            taken.some((charge) => charge.receipt === receipt),
        );
        const sums = { takenMinor: minorOf(taken), refundedMinor: minorOf(refunded) };
        return { providerPaymentId, ...sums, isCanceled: false };
      });
    },
    spoil: (spoil) => order('POST', 'faults', faultOf(spoil)),
    settle: (id, { name }: Payer) =>
      order('POST', `prompts/${id}/answer`, { answer: PRESSES[name] }),
    redeliver: (id) => order('POST', `callbacks/${id}/resend`, {}),
    tellBy: (manner) => order('PATCH', 'settings', mannerOf(manner)),
    close: () => simulator.close(),
  };
}

/** Nobody is faster than a call's answer but a phone that answers by itself. */
const MANNERS: Readonly<Partial<Record<CallbackManner, object>>> = {
  usual: { callback: 'send', answer_mode: 'manual' },
  early: { callback: 'early', answer_mode: 'auto' },
  never: { callback: 'never' },
};

function mannerOf(manner: CallbackManner): object {
  const settings = MANNERS[manner];
  if (settings === undefined) throw new Error(`Daraja’s callbacks are unsigned: not ${manner}`);
  return settings;
}

const PATHS: Readonly<Partial<Record<Call, string>>> = {
  charge: 'push',
  lookup: 'query',
  refund: 'reversal',
  lookupRefund: 'status',
};

function faultOf(spoil: Spoil): object {
  const on = PATHS[spoil.on];
  if (spoil.how === 'in_progress') throw new Error('Daraja takes no keys');
  if (spoil.how === '429') return { on, fault: '429', retry_after_s: spoil.retryAfterS };
  return { on, fault: spoil.how, act: spoil.isActedOn };
}

describe('with a paybill', () => describeProvider({ ...MPESA, open: () => open() }));

describe('with a till', () =>
  describeProvider({
    ...MPESA,
    open: () => open(TILL),
    requiredFields: [...MPESA.requiredFields, 'till_number'],
    wrongFields: { ...MPESA.wrongFields, till_number: '600101' },
  }));
