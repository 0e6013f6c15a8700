import type { Charge } from '../wire.ts';

/** What becomes of a charge, by the last two digits of its amount. The README shows this table. */
export type Rule = {
  readonly status: Charge['status'];
  readonly decline_code?: string;
  /** What it turns into later, told by a webhook; null: never. */
  readonly later?: Charge['status'] | null;
  readonly fault?: FaultKind;
  /** The webhook names another amount. */
  readonly wrong_amount?: true;
  /** What becomes of a refund of it. */
  readonly refund?: 'pending' | 'failed' | 'taken_back';
};

export const FAULT_KINDS = [
  'act_then_500',
  'act_then_timeout',
  'act_then_reset',
  'act_then_truncate',
  'act_then_html',
  '500_before',
  'reset_before',
  '429',
  '409',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

// table
const RULES: Readonly<Record<string, Rule>> = {
  '01': { status: 'declined', decline_code: 'declined' },
  '02': { status: 'declined', decline_code: 'insufficient_funds' },
  '03': { status: 'pending', later: 'succeeded' },
  '04': { status: 'pending', later: 'declined', decline_code: 'payer_canceled' },
  '05': { status: 'pending', later: null },
  '06': { status: 'succeeded', fault: 'act_then_500' },
  '07': { status: 'succeeded', fault: 'act_then_timeout' },
  '08': { status: 'succeeded', fault: 'act_then_reset' },
  '09': { status: 'succeeded', fault: '429' },
  '10': { status: 'succeeded', refund: 'pending' },
  '11': { status: 'succeeded', refund: 'failed' },
  '12': { status: 'pending', later: 'succeeded', wrong_amount: true },
  '13': { status: 'declined', decline_code: 'try_again_later' },
  '14': { status: 'succeeded', refund: 'taken_back' },
};

export function ruleFor(amount: number): Rule {
  return RULES[String(amount % 100).padStart(2, '0')] ?? { status: 'succeeded' };
}
