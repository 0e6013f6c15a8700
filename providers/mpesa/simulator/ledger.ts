import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

export type Prompt = {
  readonly checkout_request_id: string;
  readonly merchant_request_id: string;
  readonly phone: string;
  readonly amount: number;
  readonly account_reference: string;
  readonly callback_url: string;
  readonly short_code: string;
  readonly created_at: string;
  state: 'ringing' | 'answered';
  result_code: string | null;
  answered_at: string | null;
};
export type Charge = {
  readonly checkout_request_id: string;
  readonly receipt: string;
  readonly phone: string;
  readonly amount: number;
  readonly account_reference: string;
  readonly at: string;
};
export type CallbackSent = {
  readonly checkout_request_id: string;
  /** What the receiver answered; 0 when it could not be reached. */
  readonly status: number;
  readonly at: string;
  readonly body: unknown;
};
/** Money given back, or asked for; `result_code` is null until that is decided. */
export type Reversal = {
  readonly conversation_id: string;
  readonly originator_conversation_id: string;
  readonly receipt: string;
  readonly amount: number;
  readonly initiator: string;
  /** As it came, and what it opens to; null when it does not. */
  readonly security_credential: string;
  readonly password: string | null;
  readonly result_url: string;
  readonly timeout_url: string;
  readonly result_code: string | null;
  readonly result_receipt: string | null;
};
export type RequestPath = 'oauth' | 'push' | 'query' | 'reversal' | 'status';

type Entry =
  | { readonly kind: 'prompt'; readonly prompt: Prompt }
  | { readonly kind: 'ignore'; readonly id: string }
  | { readonly kind: 'token'; readonly token: string; readonly expires_at_ms: number }
  | { readonly kind: 'answer'; readonly id: string; readonly code: string; readonly at: string }
  | { readonly kind: 'charge'; readonly charge: Charge }
  | { readonly kind: 'callback'; readonly callback: CallbackSent }
  | { readonly kind: 'reversal'; readonly reversal: Reversal }
  | { readonly kind: 'request'; readonly path: RequestPath };

/** The simulator's own truth of what happened, written before anybody is answered. */
export type Ledger = {
  readonly prompts: ReadonlyMap<string, Prompt>;
  /** Prompts whose payer looked away: no rule answers them. */
  readonly ignored: ReadonlySet<string>;
  readonly charges: readonly Charge[];
  readonly callbacks: readonly CallbackSent[];
  readonly reversals: ReadonlyMap<string, Reversal>;
  /** When each access token ends. */
  readonly tokens: ReadonlyMap<string, number>;
  readonly requests: Readonly<Record<RequestPath, number>>;
  write(entry: Entry): void;
};

/** @param path JSON lines, read again at the next start; null keeps the ledger in memory. */
export function openLedger(path: string | null): Ledger {
  const prompts = new Map<string, Prompt>();
  const ignored = new Set<string>();
  const tokens = new Map<string, number>();
  const charges: Charge[] = [];
  const callbacks: CallbackSent[] = [];
  const reversals = new Map<string, Reversal>();
  const requests = { oauth: 0, push: 0, query: 0, reversal: 0, status: 0 };
  const apply = (entry: Entry) => {
    switch (entry.kind) {
      case 'prompt':
        prompts.set(entry.prompt.checkout_request_id, { ...entry.prompt });
        break;
      case 'answer': {
        const prompt = prompts.get(entry.id);
        if (prompt === undefined) break;
        Object.assign(prompt, {
          state: 'answered',
          result_code: entry.code,
          answered_at: entry.at,
        });
        break;
      }
      case 'ignore':
        ignored.add(entry.id);
        break;
      case 'token':
        tokens.set(entry.token, entry.expires_at_ms);
        break;
      case 'charge':
        charges.push(entry.charge);
        break;
      case 'callback':
        callbacks.push(entry.callback);
        break;
      case 'reversal':
        reversals.set(entry.reversal.conversation_id, entry.reversal);
        break;
      case 'request':
        requests[entry.path] += 1;
        break;
    }
  };
  for (const entry of readEntries(path)) apply(entry);
  return {
    prompts,
    ignored,
    tokens,
    charges,
    callbacks,
    reversals,
    requests,
    write(entry) {
      if (path !== null) appendFileSync(path, `${JSON.stringify(entry)}\n`);
      apply(entry);
    },
  };
}

export function findCharge(ledger: Ledger, { checkout_request_id }: Prompt): Charge | undefined {
  return ledger.charges.find((it) => it.checkout_request_id === checkout_request_id);
}

function readEntries(path: string | null): readonly Entry[] {
  if (path === null) return [];
  mkdirSync(dirname(path), { recursive: true });
  if (!existsSync(path)) return [];
  const text = readFileSync(path, 'utf8');
  // A line that a kill cut short must not swallow the next one.
  if (text !== '' && !text.endsWith('\n')) appendFileSync(path, '\n');
  return text.split('\n').flatMap(parseEntry);
}

/** A line that a kill cut short is the last one, and was never answered for. */
function parseEntry(line: string): readonly Entry[] {
  try {
    const entry: Entry = JSON.parse(line);
    return [entry];
  } catch {
    return [];
  }
}
