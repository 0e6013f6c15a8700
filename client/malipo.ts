import { ApiKeys, ProviderConfigs } from './accounts.ts';
import { Deliveries, Events } from './events.ts';
import { Payments } from './payments.ts';
import { Refunds } from './refunds.ts';
import { createSend, type Settings } from './send.ts';
import { WebhookEndpoints } from './webhook-endpoints.ts';

export type MalipoOptions = {
  /** A merchant's key, `sk_…`. */
  readonly apiKey: string;
  /** Such as `https://pay.example.com`, without `/api/v1`. */
  readonly baseUrl: string;
  /** For one try, reading the answer included; default 30 s. */
  readonly timeoutMs?: number;
  /** How often a call is sent again, where that is safe; default 3. */
  readonly retries?: number;
  /** The pause before the second try, by half more or less; it doubles each time. Default 0.5 s. */
  readonly backoffMs?: number;
  /** Used instead of the built-in one. */
  readonly fetch?: typeof globalThis.fetch;
};

/**
 * A merchant's way to Malipo: each operation of the API is one method. Calls are repeated where a
 * repeat is safe. They throw `MalipoError` when Malipo says no, and `MalipoConnectionError` when
 * no answer came and so nobody knows.
 *
 * ```ts
 * const malipo = new Malipo({ apiKey, baseUrl });
 * const payment = await malipo.payments.create(body, { idempotencyKey: order.id });
 * const settled = await malipo.payments.waitFor(payment.id);
 * for await (const { id, status } of malipo.payments.list({ status: ['succeeded'] })) …
 * ```
 */
export class Malipo {
  readonly payments: Payments;
  readonly refunds: Refunds;
  readonly events: Events;
  readonly deliveries: Deliveries;
  readonly webhookEndpoints: WebhookEndpoints;
  readonly providerConfigs: ProviderConfigs;
  readonly apiKeys: ApiKeys;

  /** @throws TypeError naming the option that is wrong. */
  constructor(options: MalipoOptions) {
    const send = createSend(readOptions(options));
    this.payments = new Payments(send);
    this.refunds = new Refunds(send);
    this.events = new Events(send);
    this.deliveries = new Deliveries(send);
    this.webhookEndpoints = new WebhookEndpoints(send);
    this.providerConfigs = new ProviderConfigs(send);
    this.apiKeys = new ApiKeys(send);
  }
}

function readOptions(options: MalipoOptions): Settings {
  const { apiKey, baseUrl, timeoutMs = 30_000, retries = 3, backoffMs = 500 } = options;
  if (!/^[\x21-\x7e]+$/.test(apiKey)) throw new TypeError('apiKey must be a key such as sk_…');
  if (!URL.canParse(baseUrl) || !/^https?:$/.test(new URL(baseUrl).protocol)) {
    throw new TypeError('baseUrl must be an address such as https://pay.example.com');
  }
  const fetch = options.fetch ?? globalThis.fetch;
  const trimmed = baseUrl.replace(/\/+$/, '');
  return { apiKey, baseUrl: trimmed, timeoutMs, retries, backoffMs, fetch };
}
