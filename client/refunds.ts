import { List } from './list.ts';
import type { KeyedOptions, RequestOptions, Send } from './send.ts';
import type { CreateRefund, ListRefunds, Refund, RefundExecution } from './types.ts';
import { type WaitOptions, waitWhile } from './wait.ts';

/** Money back. */
export class Refunds {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  /** Gives back a part of a payment; without an amount, all that is left. */
  create(paymentId: string, body: CreateRefund = {}, options?: KeyedOptions): Promise<Refund> {
    return this.#send('createRefund', { of: paymentId, body, options });
  }

  /** Those of one payment, oldest first. */
  list(paymentId: string, query: ListRefunds = {}, options?: RequestOptions): List<Refund> {
    return new List((cursor = query.cursor) =>
      this.#send('listRefunds', { of: paymentId, query: { ...query, cursor }, options }),
    );
  }

  get(id: string, options?: RequestOptions): Promise<Refund> {
    return this.#send('getRefund', { of: id, options });
  }

  /** Why it waits, and what comes next. */
  execution(id: string, options?: RequestOptions): Promise<RefundExecution> {
    return this.#send('getRefundExecution', { of: id, options });
  }

  /** Looks at a refund until it is no longer pending. @returns it, also when time is over. */
  waitFor(id: string, options: WaitOptions = {}): Promise<Refund> {
    return waitWhile(
      () => this.get(id, options),
      ({ status }) => status === 'pending',
      options,
    );
  }
}
