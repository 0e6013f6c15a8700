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

export function noSuch(what: string, id: string): StripeFault {
  const message = `No such ${what}: '${id}'`;
  const type = 'invalid_request_error';
  return new StripeFault(404, { type, code: 'resource_missing', message, param: 'id' });
}

export function unexpectedState(status: string): StripeFault {
  const message = `This PaymentIntent could not be changed because it has a status of ${status}.`;
  return invalidRequest('payment_intent_unexpected_state', message);
}
