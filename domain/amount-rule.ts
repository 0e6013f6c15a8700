import { exponentOf, formatMoney, type Money } from './money.ts';
import type { AmountRule } from './provider.ts';

/** Why a provider does not take this amount, with the cure; null when it takes it. */
export function faultOfAmount(provider: string, rule: AmountRule, money: Money): string | null {
  const { amountMinor } = money;
  if (amountMinor >= rule.min_minor && amountMinor <= rule.max_minor) {
    return faultOfStep(provider, rule, money);
  }
  const range = `${show(money, rule.min_minor)} to ${show(money, rule.max_minor)}`;
  return `is ${formatMoney(money)}; ${provider} takes ${range}, in minor units${cure(rule, money)}`;
}

/** The same for a part of a payment, which may be less than the provider takes of a whole one. */
export function faultOfStep(provider: string, rule: AmountRule, money: Money): string | null {
  const { amountMinor, currency } = money;
  const { step_minor: step } = rule;
  if (amountMinor % step === 0) return null;
  const isWhole = step === 10 ** exponentOf(currency);
  const taken = isWhole ? `whole ${currency}` : `multiples of ${show(money, step)}`;
  const told = `is ${formatMoney(money)}; ${provider} takes ${taken}`;
  return `${told}, so it must be a multiple of ${step}${cure(rule, money)}`;
}

/** Who is refused has most likely sent whole units: `For KES 150 send 15000`. */
function cure(rule: AmountRule, { amountMinor, currency }: Money): string {
  const meant = amountMinor * 10 ** exponentOf(currency);
  const isTaken = meant >= rule.min_minor && meant <= rule.max_minor && meant !== amountMinor;
  if (!isTaken || meant % rule.step_minor !== 0) return '';
  return `. For ${currency} ${amountMinor} send ${meant}`;
}

function show({ currency }: Money, amountMinor: number): string {
  return `${formatMoney({ amountMinor, currency })} (${amountMinor})`;
}
