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

export function invalidRequest(code: string, message: string, param?: string): StripeFault {
  const type = 'invalid_request_error';
  return new StripeFault(400, { type, code, message, ...(param === undefined ? {} : { param }) });
}

export function missing(param: string): StripeFault {
  return invalidRequest('parameter_missing', `Missing required param: ${param}.`, param);
}

/** For what an address names: a 404. */
export function noSuch(what: string, id: string): StripeFault {
  const message = `No such ${what}: '${id}'`;
  const type = 'invalid_request_error';
  return new StripeFault(404, { type, code: 'resource_missing', message, param: 'id' });
}

/** For what a parameter of the body names: a 400, as for any other that is wrong. */
export function noSuchIn(param: string, what: string, id: string): StripeFault {
  return invalidRequest('resource_missing', `No such ${what}: '${id}'`, param);
}

/** Stripe lists those that it takes, and tells no code. */
export function unknownCurrency(given: string, taken: Iterable<string>): StripeFault {
  const list = [...taken].join(', ');
  const message = `Invalid currency: ${given}. Stripe currently supports these currencies: ${list}`;
  return new StripeFault(400, { type: 'invalid_request_error', message, param: 'currency' });
}

export function unexpectedState(status: string): StripeFault {
  const message = `This PaymentIntent could not be changed because it has a status of ${status}.`;
  return invalidRequest('payment_intent_unexpected_state', message);
}
