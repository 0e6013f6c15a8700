import {
  invalidField,
  queryPending,
  queryResult,
  rateLimited,
  type WireAnswer,
} from './answers.ts';
import type { Ledger } from './ledger.ts';
import { checkSignature, type Merchant } from './push-request.ts';
import type { Settings } from './settings.ts';

export type Queries = { answer(body: Record<string, unknown> | null): WireAnswer };
type Parts = { readonly ledger: Ledger; readonly settings: Settings; readonly merchant: Merchant };

const PENDING_SHAPES = ['500', '200', '4999'] as const;

/** The status query: how often it was asked, and which way of saying "not yet" is next. */
export function openQueries({ ledger, settings, merchant }: Parts): Queries {
  let askedAtMs: number[] = [];
  let turns = 0;
  const isOverRate = () => {
    const { query_rate } = settings;
    if (query_rate === null) return false;
    const nowMs = Date.now();
    askedAtMs = [...askedAtMs.filter((atMs) => atMs > nowMs - query_rate.per_ms), nowMs];
    return askedAtMs.length > query_rate.count;
  };
  const nextShape = () => {
    if (settings.pending_shape !== 'rotate') return settings.pending_shape;
    const shape = PENDING_SHAPES[turns % PENDING_SHAPES.length] ?? '500';
    turns += 1;
    return shape;
  };
  return {
    answer(body) {
      if (isOverRate()) return rateLimited(null);
      const refusal = checkSignature(body, merchant);
      if (refusal !== null) return refusal;
      const prompt = ledger.prompts.get(String(body?.CheckoutRequestID));
      if (prompt === undefined) return invalidField('CheckoutRequestID');
      if (settings.query_code !== null) return queryResult(prompt, settings.query_code);
      const { result_code, answered_at } = prompt;
      const isLagging =
        answered_at !== null && Date.now() < Date.parse(answered_at) + settings.query_lag_ms;
      if (result_code !== null && !isLagging) return queryResult(prompt, result_code);
      return queryPending(prompt, nextShape());
    },
  };
}
