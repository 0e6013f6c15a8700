import { List } from './list.ts';
import type { RequestOptions, Send } from './send.ts';
import type {
  Delivery,
  DeliveryWithAttempts,
  ListDeliveries,
  ListEvents,
  MalipoEvent,
} from './types.ts';

/** What happened, in order. */
export class Events {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  /** Oldest first. To go on later, keep the `cursor` of the last event you have dealt with. */
  list(query: ListEvents = {}, options?: RequestOptions): List<MalipoEvent> {
    return new List((cursor = query.cursor) =>
      this.#send('listEvents', { query: { ...query, cursor }, options }),
    );
  }

  get(id: string, options?: RequestOptions): Promise<MalipoEvent> {
    return this.#send('getEvent', { of: id, options });
  }
}

/** How it was told to your endpoints. */
export class Deliveries {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  /** Newest first. */
  list(query: ListDeliveries = {}, options?: RequestOptions): List<Delivery> {
    return new List((cursor = query.cursor) =>
      this.#send('listDeliveries', { query: { ...query, cursor }, options }),
    );
  }

  /** With its last 100 tries and the begin of your answer. */
  get(id: string, options?: RequestOptions): Promise<DeliveryWithAttempts> {
    return this.#send('getDelivery', { of: id, options });
  }

  /** Sends it once more, with the same `webhook-id`. */
  resend(id: string, options?: RequestOptions): Promise<DeliveryWithAttempts> {
    return this.#send('resendDelivery', { of: id, options });
  }
}
