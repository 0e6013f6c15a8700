import { List } from './list.ts';
import type { KeyedOptions, RequestOptions, Send } from './send.ts';
import type {
  AuditEntry,
  CapturePayment,
  CreatePayment,
  Execution,
  ListPayments,
  Payment,
  PaymentStatus,
  VerifiedPayment,
} from './types.ts';
import { type WaitOptions, waitWhile } from './wait.ts';

/** Where a payment goes on by itself; elsewhere it has ended, or waits for you or the payer. */
const GOES_ON = {
  created: true,
  processing: true,
  requires_action: false,
  authorized: false,
  needs_review: false,
  succeeded: false,
  failed: false,
  canceled: false,
} as const satisfies Record<PaymentStatus, boolean>;

export type WaitForPayment = WaitOptions & {
  /** Wait for the payer as well, whom you have sent to `next_action`. */
  readonly isPayerActing?: boolean;
};

/** One payment is one durable workflow; it goes on whether or not anybody asks. */
export class Payments {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  /** Starts a payment. The same key and body again is the same payment, as it stands then. */
  create(body: CreatePayment, options?: KeyedOptions): Promise<Payment> {
    return this.#send('createPayment', { body, options });
  }

  /** Newest first. */
  list(query: ListPayments = {}, options?: RequestOptions): List<Payment> {
    return new List((cursor = query.cursor) =>
      this.#send('listPayments', { query: { ...query, cursor }, options }),
    );
  }

  get(id: string, options?: RequestOptions): Promise<Payment> {
    return this.#send('getPayment', { of: id, options });
  }

  /** Ends what is not paid yet; refused with `already_sent` once the provider has it. */
  cancel(id: string, options?: RequestOptions): Promise<Payment> {
    return this.#send('cancelPayment', { of: id, options });
  }

  /** Takes an authorized payment; without an amount, all of it. */
  capture(id: string, body: CapturePayment = {}, options?: RequestOptions): Promise<Payment> {
    return this.#send('capturePayment', { of: id, body, options });
  }

  /** Has the provider asked now; refused for one that has failed or was canceled. */
  verify(id: string, options?: RequestOptions): Promise<VerifiedPayment> {
    return this.#send('verifyPayment', { of: id, options });
  }

  /** All that happened to it, oldest first. */
  timeline(id: string, options?: RequestOptions): List<AuditEntry> {
    return new List(() => this.#send('getPaymentTimeline', { of: id, options }));
  }

  /** Why it waits, and what comes next. */
  execution(id: string, options?: RequestOptions): Promise<Execution> {
    return this.#send('getPaymentExecution', { of: id, options });
  }

  /**
   * Looks at a payment until it no longer goes on by itself: it has ended, is held, needs a
   * person, or the payer has to act.
   * @returns it as it stands, also when time is over; so look at its status. Being late says
   * nothing about a payment, which goes on.
   */
  waitFor(
    id: string,
    { isPayerActing = false, ...options }: WaitForPayment = {},
  ): Promise<Payment> {
    const isWaiting = ({ status }: Payment) =>
      GOES_ON[status] || (isPayerActing && status === 'requires_action');
    return waitWhile(() => this.get(id, options), isWaiting, options);
  }
}
