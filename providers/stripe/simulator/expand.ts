import { invalidRequest } from './errors.ts';
import { type Form, textsOf } from './form.ts';
import type { Intent, Ledger } from './ledger.ts';

/** What a call answers with. */
export type Gives = 'payment_intent' | 'refund' | 'payment_method' | 'balance';
type Expand = (ledger: Ledger, id: string) => object | null;

const charge: Expand = (ledger, id) => {
  const intent = [...ledger.intents.values()].find(({ latest_charge }) => latest_charge === id);
  return intent === undefined ? null : chargeOf(ledger, intent, id);
};

/** What may be asked for whole instead of by its id (docs.stripe.com/api/expanding_objects). */
const EXPANDABLE: Readonly<Record<Gives, Readonly<Record<string, Expand>>>> = {
  payment_intent: { latest_charge: charge },
  refund: { charge, payment_intent: (ledger, id) => ledger.intents.get(id) ?? null },
  payment_method: {},
  balance: {},
};

/**
 * The names to expand, before anything is done.
 * @throws StripeFault for one that cannot be; in a list each name begins with `data.`.
 */
export function readExpand(form: Form, gives: Gives, isList: boolean): readonly string[] {
  const known = EXPANDABLE[gives];
  return Object.values(textsOf(form, 'expand')).map((path) => {
    const name = isList ? path.replace(/^data\./, '') : path;
    const isPrefixed = isList && name !== path;
    if (Object.hasOwn(known, name) && isPrefixed === isList) return name;
    const hint =
      isList && Object.hasOwn(known, name)
        ? ` You may want to try expanding 'data.${name}' instead.`
        : '';
    const message = `This property cannot be expanded (${path}).${hint}`;
    throw invalidRequest(null, message, 'expand');
  });
}

/** The object with what was asked for put in place of its id. */
export function expand(
  ledger: Ledger,
  gives: Gives,
  names: readonly string[],
  object: object,
): object {
  const whole = names.map((name) => {
    const id: unknown = Reflect.get(object, name);
    const found = typeof id === 'string' ? EXPANDABLE[gives][name]?.(ledger, id) : null;
    return [name, found ?? id ?? null] as const;
  });
  return { ...object, ...Object.fromEntries(whole) };
}

/** The charge of a PaymentIntent, as far as the ledger knows it; a declined one is a charge too. */
function chargeOf(ledger: Ledger, intent: Intent, id: string): object {
  const isPaid = ledger.charges.some((it) => it.id === id);
  const refunded = [...ledger.refunds.values()]
    .filter((it) => it.charge === id && it.status !== 'failed')
    .reduce((sum, { amount }) => sum + amount, 0);
  const error = isPaid ? null : intent.last_payment_error;
  return {
    id,
    object: 'charge',
    amount: intent.amount,
    amount_captured: intent.amount_received,
    amount_refunded: refunded,
    captured: intent.amount_received > 0,
    created: intent.created,
    currency: intent.currency,
    disputed: [...ledger.disputes.values()].some((it) => it.charge === id),
    failure_code: error?.code ?? null,
    failure_message: error?.message ?? null,
    livemode: false,
    metadata: intent.metadata,
    paid: isPaid,
    payment_intent: intent.id,
    payment_method: intent.payment_method,
    refunded: refunded > 0 && refunded === intent.amount_received,
    status: isPaid ? 'succeeded' : 'failed',
  };
}
