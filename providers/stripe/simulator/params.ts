import { invalidRequest, missing, unknownParams } from './errors.ts';
import type { Form } from './form.ts';

/** Refuses a value that a parameter does not take. @throws StripeFault naming the parameter. */
type Check = (value: string | Form, param: string) => void;
export type Fields = Readonly<Record<string, Check>>;

/**
 * Refuses what a call does not take, as Stripe does: nothing is dropped without a word.
 * @throws StripeFault parameter_unknown, or what is wrong with a value.
 */
export function checkParams(fields: Fields, form: Form, place = ''): void {
  const nameOf = (name: string) => (place === '' ? name : `${place}[${name}]`);
  const unknown = Object.keys(form).filter((name) => !Object.hasOwn(fields, name));
  if (unknown.length > 0) {
    throw unknownParams(unknown.map(nameOf), Object.keys(fields).map(nameOf));
  }
  for (const [name, value] of Object.entries(form)) fields[name]?.(value, nameOf(name));
}

function textIn(value: string | Form, param: string): string {
  if (typeof value !== 'string') {
    throw invalidRequest(null, `Invalid string: ${JSON.stringify(value)}`, param);
  }
  if (value !== '') return value;
  const message = `You passed an empty string for '${param}'. We assume empty values are an attempt to unset a parameter; however '${param}' cannot be unset.`;
  throw invalidRequest('parameter_invalid_empty', message, param);
}

const text: Check = (value, param) => {
  textIn(value, param);
};

const integer =
  (least: number, most = Number.MAX_SAFE_INTEGER): Check =>
  (value, param) => {
    const given = textIn(value, param);
    const code = 'parameter_invalid_integer';
    const number = /^-?\d+$/.test(given) ? Number(given) : Number.NaN;
    if (!Number.isSafeInteger(number)) {
      throw invalidRequest(code, `Invalid integer: ${given}`, param);
    }
    const order = number < least ? 'greater' : number > most ? 'less' : null;
    if (order === null) return;
    const bound = order === 'less' ? most : least;
    throw invalidRequest(code, `This value must be ${order} than or equal to ${bound}.`, param);
  };

/** v1 takes `True` as well, as Stripe's libraries for Python and .NET sent it until 2025. */
const boolean: Check = (value, param) => {
  const given = textIn(value, param);
  if (/^(true|false|True|False)$/.test(given)) return;
  throw invalidRequest(null, `Invalid boolean: ${given}`, param);
};

const oneOf =
  (...words: readonly string[]): Check =>
  (value, param) => {
    if (words.includes(textIn(value, param))) return;
    throw invalidRequest(null, `Invalid ${param}: must be one of ${words.join(', ')}`, param);
  };

/** An empty one unsets all of them. */
const textMap: Check = (value, param) => {
  if (value === '') return;
  if (typeof value === 'string') throw invalidRequest(null, 'Invalid object', param);
  for (const [name, each] of Object.entries(value)) {
    if (typeof each === 'string') continue;
    throw invalidRequest(null, `Metadata values must be strings: ${name}`, param);
  }
};

const list: Check = (value, param) => {
  if (typeof value === 'string') throw invalidRequest(null, 'Invalid array', param);
  for (const [place, each] of Object.entries(value)) text(each, `${param}[${place}]`);
};

const object =
  (fields: Fields, needed: readonly string[]): Check =>
  (value, param) => {
    if (typeof value === 'string') throw invalidRequest(null, 'Invalid object', param);
    checkParams(fields, value, param);
    const gone = needed.find((name) => value[name] === undefined);
    if (gone !== undefined) throw missing(`${param}[${gone}]`);
  };

const page = { limit: integer(1, 100), starting_after: text, ending_before: text, expand: list };

/** What each call takes, of what Stripe's own takes (docs.stripe.com/api). */
export const PARAMS = {
  create: {
    amount: integer(1),
    automatic_payment_methods: object(
      { enabled: boolean, allow_redirects: oneOf('always', 'never') },
      ['enabled'],
    ),
    capture_method: oneOf('automatic', 'automatic_async', 'manual'),
    confirm: boolean,
    currency: text,
    description: text,
    expand: list,
    metadata: textMap,
    payment_method: text,
    return_url: text,
  },
  confirm: { expand: list, payment_method: text, return_url: text },
  capture: { amount_to_capture: integer(1), expand: list },
  cancel: {
    cancellation_reason: oneOf('abandoned', 'duplicate', 'fraudulent', 'requested_by_customer'),
    expand: list,
  },
  method: { card: object({ token: text }, ['token']), expand: list, type: oneOf('card') },
  refund: {
    amount: integer(1),
    expand: list,
    metadata: textMap,
    payment_intent: text,
    reason: oneOf('duplicate', 'fraudulent', 'requested_by_customer'),
  },
  retrieve: { expand: list },
  list_intents: page,
  list_refunds: { ...page, payment_intent: text },
  search: { expand: list, limit: integer(1, 100), page: text, query: text },
  balance: {},
} as const satisfies Record<string, Fields>;
