import type { Payment } from '../../domain/payment.ts';
import { capabilitiesOf } from '../../providers/index.ts';

export const NEXT_ACTIONS = ['redirect_to_url', 'approve_on_phone'] as const;

/**
 * What the payer has to do now. A prompt on a phone is told by where the payment stands: the
 * provider that asks by phone has the charge, and has not told what became of it.
 */
export function nextActionOf({
  status,
  nextAction,
  waitingFor,
  provider,
  phoneMasked,
}: Pick<Payment, 'status' | 'nextAction' | 'waitingFor' | 'provider' | 'phoneMasked'>) {
  if (nextAction !== null) return { type: 'redirect_to_url' as const, url: nextAction.url };
  const rings = status === 'processing' && waitingFor === 'callback' && phoneMasked !== null;
  if (!rings || !capabilitiesOf(provider).needs.includes('phone')) return null;
  return { type: 'approve_on_phone' as const, phone_masked: phoneMasked };
}
