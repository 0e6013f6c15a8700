import { randomBytes } from 'node:crypto';
import { refuseAmount } from './amounts.ts';
import { CURRENCIES } from './currencies.ts';
import { missing, unknownCurrency } from './errors.ts';
import { type Form, formOf, textOf, textsOf } from './form.ts';
import type { Intent, Ledger } from './ledger.ts';
import { readMethod } from './methods.ts';

/** A PaymentIntent as it is made, not yet confirmed. @throws StripeFault for what is wrong. */
export function newIntent(ledger: Ledger, id: string, form: Form): Intent {
  const given = textOf(form, 'amount');
  const currency = textOf(form, 'currency')?.toLowerCase() ?? null;
  if (given === null) throw missing('amount');
  if (currency === null) throw missing('currency');
  if (!CURRENCIES.has(currency)) throw unknownCurrency(currency, CURRENCIES);
  const amount = Number(given);
  refuseAmount(amount, currency);
  const payment_method = readMethod(ledger, form);
  const redirects = textOf(formOf(form, 'automatic_payment_methods'), 'allow_redirects');
  return {
    id,
    object: 'payment_intent',
    status: payment_method === null ? 'requires_payment_method' : 'requires_confirmation',
    amount,
    amount_received: 0,
    amount_capturable: 0,
    currency,
    capture_method: textOf(form, 'capture_method') ?? 'automatic',
    automatic_payment_methods: { enabled: true, allow_redirects: redirects ?? 'always' },
    payment_method,
    latest_charge: null,
    last_payment_error: null,
    next_action: null,
    cancellation_reason: null,
    return_url: textOf(form, 'return_url'),
    description: textOf(form, 'description'),
    metadata: textsOf(form, 'metadata'),
    client_secret: `${id}_secret_${randomBytes(8).toString('hex')}`,
    created: Math.floor(Date.now() / 1000),
    livemode: false,
  };
}
