import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Charge, Refund } from '../wire.ts';

export type SimulatedCharge = Charge & { readonly callback_url: string; readonly created: string };
/** An answer that is given again to the same key. */
export type KeptAnswer = {
  readonly key: string;
  readonly fingerprint: string;
  readonly status: number;
  readonly body: unknown;
};
export type WebhookSent = {
  readonly id: string;
  readonly about: string;
  readonly status: number;
  readonly at: string;
};

type Entry =
  | { readonly kind: 'charge'; readonly charge: SimulatedCharge }
  | { readonly kind: 'refund'; readonly refund: Refund }
  | { readonly kind: 'answer'; readonly answer: KeptAnswer }
  | { readonly kind: 'webhook'; readonly webhook: WebhookSent };

/** CPay's own truth, written before it answers. An entry replaces its id's. */
export type Ledger = {
  readonly charges: ReadonlyMap<string, SimulatedCharge>;
  readonly refunds: ReadonlyMap<string, Refund>;
  readonly answers: ReadonlyMap<string, KeptAnswer>;
  readonly webhooks: readonly WebhookSent[];
  write(entry: Entry): void;
};

/** @param path JSON lines, read again at the next start; null keeps the ledger in memory. */
export function openLedger(path: string | null): Ledger {
  const charges = new Map<string, SimulatedCharge>();
  const refunds = new Map<string, Refund>();
  const answers = new Map<string, KeptAnswer>();
  const webhooks: WebhookSent[] = [];
  const apply = (entry: Entry) => {
    switch (entry.kind) {
      case 'charge':
        charges.set(entry.charge.id, entry.charge);
        break;
      case 'refund':
        refunds.set(entry.refund.id, entry.refund);
        break;
      case 'answer':
        answers.set(entry.answer.key, entry.answer);
        break;
      case 'webhook':
        webhooks.push(entry.webhook);
        break;
    }
  };
  for (const entry of readEntries(path)) apply(entry);
  return {
    charges,
    refunds,
    answers,
    webhooks,
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
