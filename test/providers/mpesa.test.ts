import { SANDBOX, startSimulator } from '../../providers/mpesa/simulator.ts';
import { pickPort } from '../../sandbox/ports.ts';
import type { Call, CallbackMode, Counterpart, Fault, Payer } from './contract/description.ts';
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

type Ledger = {
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
      const answer = await fetch(
        `${simulator.url}/simulator/ledger?account_reference=${reference}`,
      );
      const ledger: Ledger = JSON.parse(await answer.text());
      return ledger.prompts.map(({ checkout_request_id: providerPaymentId }) => {
        const taken = ledger.charges.filter((it) => it.checkout_request_id === providerPaymentId);
        const refunded = ledger.reversals.filter(
          ({ receipt, result_code }) =>
            (result_code === '0' || result_code === null) &&
            taken.some((charge) => charge.receipt === receipt),
        );
        const sums = { capturedMinor: minorOf(taken), refundedMinor: minorOf(refunded) };
        return { providerPaymentId, ...sums, isCanceled: false };
      });
    },
    setFault: (fault) => order('POST', 'faults', faultOf(fault)),
    settle: (id, { name }: Payer) =>
      order('POST', `prompts/${id}/answer`, { answer: PRESSES[name] }),
    redeliver: (id) => order('POST', `callbacks/${id}/resend`, {}),
    tellBy: (mode) => order('PATCH', 'settings', modeOf(mode)),
    close: () => simulator.close(),
  };
}

/** Nobody is faster than a call's answer but a phone that answers by itself. */
const MANNERS: Readonly<Partial<Record<CallbackMode, object>>> = {
  usual: { callback: 'send', answer_mode: 'manual' },
  early: { callback: 'early', answer_mode: 'auto' },
  never: { callback: 'never' },
};

function modeOf(mode: CallbackMode): object {
  const settings = MANNERS[mode];
  if (settings === undefined) throw new Error(`Daraja’s callbacks are unsigned: not ${mode}`);
  return settings;
}

const PATHS: Readonly<Partial<Record<Call, string>>> = {
  charge: 'push',
  lookup: 'query',
  refund: 'reversal',
  lookupRefund: 'status',
};

function faultOf(fault: Fault): object {
  const on = PATHS[fault.on];
  if (fault.how === 'in_progress') throw new Error('Daraja takes no keys');
  if (fault.how === '429') return { on, fault: '429', retry_after_s: fault.retryAfterS };
  return { on, fault: fault.how, act: fault.isActedOn };
}

describe('with a paybill', () => describeProvider({ ...MPESA, open: () => open() }));

describe('with a till', () =>
  describeProvider({
    ...MPESA,
    open: () => open(TILL),
    requiredFields: [...MPESA.requiredFields, 'till_number'],
    wrongFields: { ...MPESA.wrongFields, till_number: '600101' },
  }));
