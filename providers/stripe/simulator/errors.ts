/** An error as Stripe's API sends it (docs.stripe.com/api/errors). */
export class StripeFault extends Error {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;

  constructor(status: number, body: Readonly<Record<string, unknown>>) {
    super(String(body.code ?? body.type));
    this.status = status;
    this.body = body;
  }
}

const TYPE = 'invalid_request_error';

/** Stripe links each code to its page. */
export function docUrlOf(code: string): string {
  return `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}`;
}

/** @param code null where Stripe tells none. */
export function invalidRequest(code: string | null, message: string, param?: string): StripeFault {
  return new StripeFault(400, {
    type: TYPE,
    ...(code === null ? {} : { code, doc_url: docUrlOf(code) }),
    message,
    ...(param === undefined ? {} : { param }),
  });
}

export function missing(param: string): StripeFault {
  return invalidRequest('parameter_missing', `Missing required param: ${param}.`, param);
}

/** For what an address names: a 404. */
export function noSuch(what: string, id: string): StripeFault {
  const message = `No such ${what}: '${id}'`;
  const code = 'resource_missing';
  return new StripeFault(404, { type: TYPE, code, doc_url: docUrlOf(code), message, param: 'id' });
}

/** For what a parameter names: a 400, as for any other that is wrong. */
export function noSuchIn(param: string, what: string, id: string): StripeFault {
  return invalidRequest('resource_missing', `No such ${what}: '${id}'`, param);
}

/** For a path that Stripe has not, or not with this method. */
export function unrecognized(method: string, path: string): StripeFault {
  const message = `Unrecognized request URL (${method}: ${path}). If you are trying to list objects, remove the trailing slash. If you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier in your code.`;
  return new StripeFault(404, { type: TYPE, message });
}

/**
 * For parameters that the simulator does not know: Stripe's own code, also for those that Stripe
 * has and the simulator has not, and then what it does take.
 */
export function unknownParams(names: readonly string[], taken: readonly string[]): StripeFault {
  const [first = ''] = names;
  const noun = names.length === 1 ? 'parameter' : 'parameters';
  const list = taken.length === 0 ? 'none' : taken.join(', ');
  const message = `Received unknown ${noun}: ${names.join(', ')}. The simulator takes here: ${list}`;
  return invalidRequest('parameter_unknown', message, first);
}

/** Stripe lists those that it takes, and tells no code. */
export function unknownCurrency(given: string, taken: Iterable<string>): StripeFault {
  const list = [...taken].join(', ');
  const message = `Invalid currency: ${given}. Stripe currently supports these currencies: ${list}`;
  return invalidRequest(null, message, 'currency');
}

/** It carries the PaymentIntent as it is. */
export function unexpectedState(intent: { readonly status: string }): StripeFault {
  const message = `This PaymentIntent could not be changed because it has a status of ${intent.status}.`;
  const { status, body } = invalidRequest('payment_intent_unexpected_state', message);
  return new StripeFault(status, { ...body, payment_intent: intent });
}
