import { SANDBOX, startSimulator } from '../../providers/stripe/simulator.ts';
import { pickPort } from '../../sandbox/ports.ts';
import type { Call, CallbackMode, Counterpart, Fault } from './contract/description.ts';
import { describeProvider } from './contract.ts';
import { STRIPE } from './stripe-account.ts';

type Ledger = {
  readonly intents: readonly {
    readonly id: string;
    readonly status: string;
    readonly amount_received: number;
    readonly metadata: { readonly malipo_attempt?: string };
  }[];
  readonly refunds: readonly {
    readonly payment_intent: string;
    readonly amount: number;
    readonly status: string;
  }[];
};

async function open(webhookUrl: string): Promise<Counterpart> {
  const settings = { webhook_delay_ms: 20 };
  const { port } = await pickPort(0);
  const simulator = await startSimulator({ port, settings, webhookUrl });
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
      const own = ledger.intents.filter(({ metadata }) => metadata.malipo_attempt === attemptRef);
      return own.map(({ id, status, amount_received: capturedMinor }) => {
        const refunds = ledger.refunds.filter(
          (it) => it.payment_intent === id && it.status !== 'failed',
        );
        const refundedMinor = refunds.reduce((sum, { amount }) => sum + amount, 0);
        const isCanceled = status === 'canceled';
        return { providerPaymentId: id, capturedMinor, refundedMinor, isCanceled };
      });
    },
    setFault: (fault) => order('POST', 'faults', faultOf(fault)),
    settle: (id) => order('POST', `3ds/${id}`, { passed: true }),
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
  early: { webhook: 'before_answer' },
  never: { webhook: 'never' },
  forged: { signature: 'forged' },
  old: { signature: 'old' },
};
const STEPS = {
  charge: 'create',
  capture: 'capture',
  cancel: 'cancel',
  refund: 'refund',
  lookup: 'retrieve',
  lookupRefund: 'retrieve',
} as const satisfies Record<Call, string>;

function faultOf(fault: Fault): object {
  const on = STEPS[fault.on];
  if (fault.how === 'in_progress') return { on, kind: '409' };
  if (fault.how === '429') return { on, kind: '429', retry_after_s: fault.retryAfterS };
  const isUndone = fault.how === 'reset' && !fault.isActedOn;
  return { on, kind: isUndone ? 'reset_before' : KINDS[fault.how] };
}

describeProvider({ ...STRIPE, open });
