import { randomBytes } from 'node:crypto';
import { openDisputes } from './disputes.ts';
import {
  docUrlOf,
  invalidRequest,
  missing,
  noSuch,
  StripeFault,
  unexpectedState,
} from './errors.ts';
import type { Events } from './events.ts';
import { type Form, isTrue, textOf } from './form.ts';
import type { Intent, Ledger } from './ledger.ts';
import { type Decline, findMethod, type Method, readMethod } from './methods.ts';
import { newIntent } from './new-intent.ts';
import type { Settings } from './settings.ts';

export type Parts = {
  readonly ledger: Ledger;
  readonly events: Events;
  readonly settings: Settings;
  /** Where this simulator is, for the address of the 3-D Secure page. */
  readonly baseUrl: () => string;
};
export type Intents = ReturnType<typeof openIntents>;

export const newId = (prefix: string) => `${prefix}_${randomBytes(12).toString('hex')}`;

/** PaymentIntents as they live at Stripe (docs.stripe.com/payments/paymentintents/lifecycle). */
export function openIntents(parts: Parts) {
  const find = (id: string): Intent => {
    const intent = parts.ledger.intents.get(id);
    if (intent === undefined) throw noSuch('payment_intent', id);
    return intent;
  };
  return {
    find,

    async create(form: Form): Promise<Intent> {
      const intent = newIntent(parts.ledger, newId('pi'), form);
      if (!isTrue(form, 'confirm')) return save(parts, intent);
      requireReturnUrl(intent, form);
      return await confirm(parts, save(parts, intent), form);
    },

    async confirm(id: string, form: Form): Promise<Intent> {
      const intent = find(id);
      const isReady = ['requires_payment_method', 'requires_confirmation'].includes(intent.status);
      if (!isReady) throw unexpectedState(intent);
      const method = readMethod(parts.ledger, form) ?? intent.payment_method;
      requireReturnUrl(intent, form);
      return await confirm(parts, save(parts, { ...intent, payment_method: method }), form);
    },

    capture: (id: string, form: Form) => capture(parts, find(id), form),

    cancel: (id: string, reason: string | null) => cancel(parts, find(id), reason),

    /** The payer's answer on the 3-D Secure page. */
    authenticate: (id: string, isPassed: boolean) => authenticate(parts, find(id), isPassed),

    /** `metadata['key']:'value'`, as far as the lag of the search lets it see. */
    search(query: string | null): readonly Intent[] {
      if (query === null) throw missing('query');
      const [, key, value] = /^metadata\['([^']+)'\]:'([^']*)'$/.exec(query) ?? [];
      if (key === undefined) throw invalidRequest('invalid_query', 'We could not parse the query.');
      const newest = (Date.now() - parts.settings.search_lag_ms) / 1000;
      return [...parts.ledger.intents.values()].filter(
        ({ metadata, created }) => metadata[key] === value && created <= newest,
      );
    },
  };
}

async function capture(parts: Parts, intent: Intent, form: Form): Promise<Intent> {
  if (intent.status !== 'requires_capture') throw unexpectedState(intent);
  const amount = Number(textOf(form, 'amount_to_capture') ?? intent.amount_capturable);
  if (!Number.isSafeInteger(amount) || amount <= 0 || amount > intent.amount_capturable) {
    const message = 'This value must be less than or equal to the amount that is capturable.';
    throw invalidRequest('amount_too_large', message, 'amount_to_capture');
  }
  const charge = { id: intent.latest_charge ?? '', payment_intent: intent.id, amount };
  parts.ledger.write({ kind: 'charge', charge: { ...charge, step: 'capture' } });
  const paid = { amount_received: amount, amount_capturable: 0, status: 'succeeded' };
  const captured = save(parts, { ...intent, ...paid });
  await parts.events.tell('payment_intent.succeeded', captured);
  return captured;
}

async function cancel(parts: Parts, intent: Intent, reason: string | null): Promise<Intent> {
  if (['succeeded', 'canceled', 'processing'].includes(intent.status)) {
    throw unexpectedState(intent);
  }
  const canceled = save(parts, {
    ...intent,
    status: 'canceled',
    cancellation_reason: reason,
    amount_capturable: 0,
    next_action: null,
  });
  await parts.events.tell('payment_intent.canceled', canceled);
  return canceled;
}

function save({ ledger }: Parts, intent: Intent): Intent {
  ledger.write({ kind: 'intent', intent });
  return intent;
}

async function confirm(parts: Parts, intent: Intent, form: Form): Promise<Intent> {
  const name = intent.payment_method;
  if (name === null) throw missing('payment_method');
  const method = findMethod(parts.ledger, name);
  if (method.three_ds) return await askFor3ds(parts, intent, form);
  const isSecondTry = [...parts.ledger.intents.values()].some(
    (other) =>
      other.id !== intent.id &&
      other.payment_method === name &&
      other.metadata.malipo_workflow === intent.metadata.malipo_workflow,
  );
  const isPaidNow = name === 'pm_sim_declinedThenPaid' && isSecondTry;
  if (method.decline !== undefined && !isPaidNow) {
    const failed = await decline(parts, intent, method.decline);
    const error = { ...failed.last_payment_error, payment_intent: failed };
    throw new StripeFault(402, error);
  }
  return await pay(parts, intent, method);
}

async function askFor3ds(parts: Parts, intent: Intent, form: Form): Promise<Intent> {
  const return_url = textOf(form, 'return_url') ?? intent.return_url;
  const url = `${parts.baseUrl()}/3ds/${intent.id}`;
  const next_action =
    return_url === null
      ? { type: 'use_stripe_sdk', use_stripe_sdk: { type: 'three_d_secure_redirect' } }
      : { type: 'redirect_to_url', redirect_to_url: { url, return_url } };
  const asked = save(parts, { ...intent, status: 'requires_action', next_action, return_url });
  await parts.events.tell('payment_intent.requires_action', asked);
  const { three_ds, three_ds_delay_ms } = parts.settings;
  if (three_ds !== 'manual') {
    parts.events.later(three_ds_delay_ms, () => {
      const now = parts.ledger.intents.get(asked.id) ?? asked;
      void authenticate(parts, now, three_ds === 'auto_complete');
    });
  }
  return asked;
}

async function authenticate(parts: Parts, intent: Intent, isPassed: boolean): Promise<Intent> {
  if (intent.status !== 'requires_action') return intent;
  const method = findMethod(parts.ledger, intent.payment_method ?? '');
  const freed = { ...intent, next_action: null };
  if (isPassed && method.decline === undefined) return await pay(parts, freed, method);
  if (isPassed && method.decline !== undefined) return await decline(parts, freed, method.decline);
  // Nobody was charged, so there is no charge to name.
  const code = 'payment_intent_authentication_failure';
  return await fail(parts, freed, {
    type: 'invalid_request_error',
    code,
    doc_url: docUrlOf(code),
    message:
      'The provided PaymentMethod has failed authentication. You can provide a new PaymentMethod to attempt to fulfill this PaymentIntent again.',
  });
}

/** Without it the payer could be led away and not come back. */
function requireReturnUrl(intent: Intent, form: Form): void {
  const { allow_redirects } = intent.automatic_payment_methods;
  const isGiven = textOf(form, 'return_url') !== null || intent.return_url !== null;
  if (allow_redirects === 'never' || isGiven) return;
  const message =
    'This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these payment methods might redirect your customer off of your page, you must provide a `return_url`. If you do not want to accept redirect-based payment methods, set `automatic_payment_methods[allow_redirects]` to `never`.';
  throw invalidRequest(null, message);
}

/** A declined charge is a charge as well, and the error names it. */
function decline(parts: Parts, intent: Intent, reason: Decline): Promise<Intent> {
  const charge = newId('ch');
  const error = { type: 'card_error', ...reason, doc_url: docUrlOf(reason.code), charge };
  return fail(parts, { ...intent, latest_charge: charge }, error);
}

async function fail(parts: Parts, intent: Intent, error: object): Promise<Intent> {
  const payment_method = { id: intent.payment_method, object: 'payment_method', type: 'card' };
  const failed = save(parts, {
    ...intent,
    status: 'requires_payment_method',
    last_payment_error: { ...error, payment_method },
  });
  await parts.events.tell('payment_intent.payment_failed', failed);
  return failed;
}

async function pay(parts: Parts, intent: Intent, method: Method): Promise<Intent> {
  const { ledger, events, settings } = parts;
  const isHeld = intent.capture_method === 'manual';
  const { amount } = intent;
  const charge = { id: newId('ch'), payment_intent: intent.id, amount };
  ledger.write({ kind: 'charge', charge: { ...charge, step: isHeld ? 'authorize' : 'charge' } });
  const paid = save(parts, {
    ...intent,
    status: isHeld ? 'requires_capture' : 'succeeded',
    amount_received: isHeld ? 0 : amount,
    amount_capturable: isHeld ? amount : 0,
    latest_charge: charge.id,
    last_payment_error: null,
  });
  const type = isHeld ? 'amount_capturable_updated' : 'succeeded';
  await events.tell(`payment_intent.${type}`, paid);
  if (method.dispute) {
    const disputes = openDisputes(parts, { find: () => paid });
    events.later(settings.dispute_delay_ms, () => {
      void disputes.open({ payment_intent: intent.id, amount });
    });
  }
  return paid;
}
