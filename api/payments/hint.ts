import { exponentOf, formatMoney } from '../../domain/money.ts';
import type { Payment } from '../../domain/payment.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import type { ApiDeps } from '../deps.ts';

/** Shop prices on a phone are seldom less. */
const UNITS_MIN = 100;

/**
 * A header for who develops against a sandbox and sent whole units in place of minor ones: `1500`
 * is a valid amount, KES 15, so nothing can refuse it.
 */
export function hintHeaders(
  { environment }: Pick<ApiDeps, 'environment'>,
  { provider, amountMinor, currency }: Payment,
): Readonly<Record<string, string>> {
  const unit = 10 ** exponentOf(currency);
  const rule = capabilitiesOf(provider).amounts[currency];
  const isWhole = unit > 1 && rule?.step_minor === unit;
  if (environment !== 'sandbox' || !isWhole || amountMinor >= UNITS_MIN * unit) return {};
  const asked = formatMoney({ amountMinor, currency });
  return {
    'Malipo-Hint': `the payer is asked for ${asked}; for ${currency} ${amountMinor} send ${amountMinor * unit}`,
  };
}
