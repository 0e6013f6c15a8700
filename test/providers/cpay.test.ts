import { cpay } from '../../providers/cpay/index.ts';
import { SANDBOX, startSimulator } from '../../providers/cpay/simulator.ts';
import { pickPort } from '../../sandbox/ports.ts';
import type { CallbackMode, Counterpart, Fault } from './contract/description.ts';
import { describeProvider } from './contract.ts';

/** CPay answers by the last two digits of the amount; its README has the table. */
const amountOf = (amountMinor: number) => ({
  request: () => ({ amount: { amountMinor, currency: 'KES' } as const }),
});

type Ledger = {
  readonly charges: readonly {
    readonly id: string;
    readonly status: string;
    readonly amount_captured: number;
    readonly metadata: { readonly attempt?: string };
  }[];
  readonly refunds: readonly {
    readonly charge: string;
    readonly amount: number;
    readonly status: string;
  }[];
};

async function open(): Promise<Counterpart> {
  const settings = { decide_after_ms: 600_000, webhook_delay_ms: 20 };
  const { port } = await pickPort(0);
  const simulator = await startSimulator({ port, settings });
  const order = async (method: 'POST' | 'PATCH', path: string, body: object) => {
    const url = `${simulator.url}/simulator/${path}`;
    const answer = await fetch(url, { method, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  };
  return {
    credentials: { ...SANDBOX.credentials, base_url: simulator.url },
    async listPayments({ attemptRef }) {
      const answer = await fetch(`${simulator.url}/simulator/ledger`);
      const ledger: Ledger = JSON.parse(await answer.text());
      const own = ledger.charges.filter(({ metadata }) => metadata.attempt === attemptRef);
      return own.map(({ id, status, amount_captured: capturedMinor }) => {
        const refunds = ledger.refunds.filter((it) => it.charge === id && it.status !== 'failed');
        const refundedMinor = refunds.reduce((sum, { amount }) => sum + amount, 0);
        const isCanceled = status === 'canceled';
        return { providerPaymentId: id, capturedMinor, refundedMinor, isCanceled };
      });
    },
    setFault: (fault) => order('POST', 'faults', faultOf(fault)),
    settle: (id) => order('POST', `charges/${id}/decide`, {}),
    redeliver: (id) => order('POST', `redeliver/${id}`, {}),
    tellBy: (mode) => order('PATCH', 'settings', MANNERS[mode]),
    close: () => simulator.close(),
  };
}

const KINDS = {
  reset: 'act_then_reset',
  timeout: 'act_then_timeout',
  '500': 'act_then_500',
  truncate: 'act_then_truncate',
  html_200: 'act_then_html',
} as const;

const MANNERS: Readonly<Record<CallbackMode, object>> = {
  usual: { webhook: 'send', signature: 'good' },
  early: { webhook: 'early' },
  never: { webhook: 'never' },
  forged: { signature: 'forged' },
  old: { signature: 'old' },
};

function faultOf(fault: Fault): object {
  const on = fault.on === 'lookupRefund' ? 'lookup' : fault.on;
  if (fault.how === 'in_progress') return { on, kind: '409' };
  if (fault.how === '429') return { on, kind: '429', retry_after_s: fault.retryAfterS };
  const isUndone = fault.how === 'reset' && !fault.isActedOn;
  return { on, kind: isUndone ? 'reset_before' : KINDS[fault.how] };
}

describeProvider({
  provider: cpay,
  open,
  pays: { name: 'pays at once', ...amountOf(10_000), answers: 'succeeded' },
  waits: { name: 'takes a while', ...amountOf(10_003), answers: 'pending' },
  refuses: [
    { name: 'is declined', ...amountOf(10_001), kind: 'declined', failure: 'declined' },
    { name: 'has no funds', ...amountOf(10_002), kind: 'declined', failure: 'insufficient_funds' },
  ],
  keyHabits: ['says_in_progress'],
  async refundPastUs({ credentials, providerPaymentId: charge, amountMinor: amount }) {
    const metadata = { refund: 'RMA-7', workflow: 'of-others' };
    const answer = await fetch(`${credentials.base_url}/v1/refunds`, {
      method: 'POST',
      headers: { authorization: `Bearer ${credentials.api_key}` },
      body: JSON.stringify({ charge, amount, metadata }),
    });
    if (!answer.ok) throw new Error(await answer.text());
  },
  otherWebhookSecret: 'whsec_cpay_of_another_account',
  unknownPaymentId: 'chg_000000000000000000000000',
  secretFields: ['api_key', 'webhook_secrets'],
  requiredFields: ['base_url', 'api_key', 'webhook_secrets'],
  malformedFields: {
    base_url: 'without-scheme',
    api_key: 'another-form',
    webhook_secrets: 'too-short',
  },
  wrongFields: { api_key: 'cpay_test_of_another_account' },
});
