import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

export type Intent = {
  readonly id: string;
  readonly object: 'payment_intent';
  readonly status: string;
  readonly amount: number;
  readonly amount_received: number;
  readonly amount_capturable: number;
  readonly currency: string;
  readonly capture_method: string;
  /** Whether its payment methods may lead the payer to another page. */
  readonly automatic_payment_methods: {
    readonly enabled: boolean;
    readonly allow_redirects: string;
  };
  readonly payment_method: string | null;
  readonly latest_charge: string | null;
  readonly last_payment_error: Readonly<Record<string, unknown>> | null;
  readonly next_action: Readonly<Record<string, unknown>> | null;
  readonly cancellation_reason: string | null;
  readonly return_url: string | null;
  readonly description: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly client_secret: string;
  readonly created: number;
  readonly livemode: false;
};
export type Refund = {
  readonly id: string;
  readonly object: 'refund';
  readonly amount: number;
  readonly charge: string | null;
  readonly payment_intent: string;
  readonly currency: string;
  readonly status: string;
  readonly reason: string | null;
  readonly failure_reason: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly created: number;
};
export type Dispute = {
  readonly id: string;
  readonly object: 'dispute';
  readonly amount: number;
  readonly currency: string;
  readonly charge: string | null;
  readonly payment_intent: string;
  readonly reason: string;
  readonly status: string;
};
/** Made of a token. */
export type PaymentMethod = {
  readonly id: string;
  readonly object: 'payment_method';
  readonly type: 'card';
  /** The test method whose ways it has; not shown. */
  readonly does: string;
  readonly created: number;
  readonly livemode: false;
  readonly metadata: Readonly<Record<string, string>>;
};
/** The first answer to a key, given again to every later request with it. */
export type KeptAnswer = {
  readonly key: string;
  readonly fingerprint: string;
  readonly status: number;
  readonly body: unknown;
};
export type SentEvent = {
  readonly id: string;
  readonly type: string;
  readonly about: string;
  readonly status: number;
};
/** Money that really moved: a charge for each payment, one for each capture of a held one. */
export type Charge = {
  readonly id: string;
  readonly payment_intent: string;
  readonly amount: number;
  readonly step: 'charge' | 'authorize' | 'capture';
};

type Entry =
  | { readonly kind: 'intent'; readonly intent: Intent }
  | { readonly kind: 'refund'; readonly refund: Refund }
  | { readonly kind: 'dispute'; readonly dispute: Dispute }
  | { readonly kind: 'method'; readonly method: PaymentMethod }
  | { readonly kind: 'answer'; readonly answer: KeptAnswer }
  | { readonly kind: 'charge'; readonly charge: Charge }
  | { readonly kind: 'event'; readonly event: SentEvent };

/** Stripe's own truth, written before anybody is answered. */
export type Ledger = {
  readonly intents: ReadonlyMap<string, Intent>;
  readonly refunds: ReadonlyMap<string, Refund>;
  readonly disputes: ReadonlyMap<string, Dispute>;
  readonly methods: ReadonlyMap<string, PaymentMethod>;
  readonly answers: ReadonlyMap<string, KeptAnswer>;
  readonly charges: readonly Charge[];
  readonly events: readonly SentEvent[];
  write(entry: Entry): void;
};

/** @param path JSON lines, read again at the next start; null keeps the ledger in memory. */
export function openLedger(path: string | null): Ledger {
  const intents = new Map<string, Intent>();
  const refunds = new Map<string, Refund>();
  const disputes = new Map<string, Dispute>();
  const methods = new Map<string, PaymentMethod>();
  const answers = new Map<string, KeptAnswer>();
  const charges: Charge[] = [];
  const events: SentEvent[] = [];
  const apply = (entry: Entry) => {
    switch (entry.kind) {
      case 'intent':
        intents.set(entry.intent.id, entry.intent);
        break;
      case 'refund':
        refunds.set(entry.refund.id, entry.refund);
        break;
      case 'dispute':
        disputes.set(entry.dispute.id, entry.dispute);
        break;
      case 'method':
        methods.set(entry.method.id, entry.method);
        break;
      case 'answer':
        answers.set(entry.answer.key, entry.answer);
        break;
      case 'charge':
        charges.push(entry.charge);
        break;
      case 'event':
        events.push(entry.event);
        break;
    }
  };
  for (const entry of readEntries(path)) apply(entry);
  return {
    intents,
    refunds,
    disputes,
    methods,
    answers,
    charges,
    events,
    write(entry) {
      if (path !== null) appendFileSync(path, `${JSON.stringify(entry)}\n`);
      apply(entry);
    },
  };
}

function readEntries(path: string | null): readonly Entry[] {
  if (path === null) return [];
  mkdirSync(dirname(path), { recursive: true });
  if (!existsSync(path)) return [];
  const text = readFileSync(path, 'utf8');
  // A line that a kill cut short must not swallow the next one.
  if (text !== '' && !text.endsWith('\n')) appendFileSync(path, '\n');
  return text.split('\n').flatMap((line) => {
    try {
      const entry: Entry = JSON.parse(line);
      return [entry];
    } catch {
      return [];
    }
  });
}
