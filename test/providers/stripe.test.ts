import { SANDBOX, startSimulator } from '../../providers/stripe/simulator.ts';
import { pickPort } from '../../sandbox/ports.ts';
import type { Call, CallbackManner, Counterpart, Spoil } from './contract/description.ts';
import { describeProvider } from './contract.ts';
import { STRIPE } from './stripe-account.ts';

type Book = {
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
      const answer = await fetch(`${simulator.url}/simulator/book`);
      const book: Book = JSON.parse(await answer.text());
      const own = book.intents.filter(({ metadata }) => metadata.malipo_attempt === attemptRef);
      return own.map(({ id, status, amount_received: takenMinor }) => {
        const refunds = book.refunds.filter(
          (it) => it.payment_intent === id && it.status !== 'failed',
        );
        const refundedMinor = refunds.reduce((sum, { amount }) => sum + amount, 0);
        const isCanceled = status === 'canceled';
        return { providerPaymentId: id, takenMinor, refundedMinor, isCanceled };
      });
    },
    spoil: (spoil) => order('POST', 'faults', faultOf(spoil)),
    settle: (id) => order('POST', `3ds/${id}`, { passed: true }),
    redeliver: (id) => order('POST', `redeliver/${id}`, {}),
    tellBy: (manner) => order('PATCH', 'settings', MANNERS[manner]),
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

const MANNERS: Readonly<Record<CallbackManner, object>> = {
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

function faultOf(spoil: Spoil): object {
  const on = STEPS[spoil.on];
  if (spoil.how === 'in_progress') return { on, kind: '409' };
  if (spoil.how === '429') return { on, kind: '429', retry_after_s: spoil.retryAfterS };
  const isUndone = spoil.how === 'reset' && !spoil.isActedOn;
  return { on, kind: isUndone ? 'reset_before' : KINDS[spoil.how] };
}

describeProvider({ ...STRIPE, open });
