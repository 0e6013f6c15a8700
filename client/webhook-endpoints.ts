import { List } from './list.ts';
import type { RequestOptions, Send } from './send.ts';
import type {
  CreateWebhookEndpoint,
  ListWebhookEndpoints,
  NewWebhookEndpoint,
  Recovery,
  TestDelivery,
  UpdateWebhookEndpoint,
  WebhookEndpoint,
  WebhookEndpointWithSecret,
} from './types.ts';

/** Where you are told what happened; `verifyWebhook` tells whether it was us. */
export class WebhookEndpoints {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  /**
   * Its secret is told this once. Where an endpoint of yours has the address already, the answer is
   * that one as it is, and `secret` is null.
   */
  create(body: CreateWebhookEndpoint, options?: RequestOptions): Promise<NewWebhookEndpoint> {
    return this.#send('createWebhookEndpoint', { body, options });
  }

  /** Newest first. */
  list(query: ListWebhookEndpoints = {}, options?: RequestOptions): List<WebhookEndpoint> {
    return new List((cursor = query.cursor) =>
      this.#send('listWebhookEndpoints', { query: { ...query, cursor }, options }),
    );
  }

  get(id: string, options?: RequestOptions): Promise<WebhookEndpoint> {
    return this.#send('getWebhookEndpoint', { of: id, options });
  }

  /** `active: true` switches it on again. */
  update(
    id: string,
    body: UpdateWebhookEndpoint,
    options?: RequestOptions,
  ): Promise<WebhookEndpoint> {
    return this.#send('updateWebhookEndpoint', { of: id, body, options });
  }

  /** It gets nothing more. `not_found` may mean that an answer was lost and it is gone already. */
  async delete(id: string, options?: RequestOptions): Promise<void> {
    await this.#send('deleteWebhookEndpoint', { of: id, options });
  }

  /** A new secret, told this once; for a day the old one signs as well, so that both verify. */
  rotateSecret(id: string, options?: RequestOptions): Promise<WebhookEndpointWithSecret> {
    return this.#send('rotateWebhookSecret', { of: id, options });
  }

  /** Sends it a test event. */
  test(id: string, options?: RequestOptions): Promise<TestDelivery> {
    return this.#send('testWebhookEndpoint', { of: id, options });
  }

  /** Sends what it lacks since a time, such as `2026-11-24T09:00:00Z`. */
  recover(id: string, since: string, options?: RequestOptions): Promise<Recovery> {
    return this.#send('recoverWebhookEndpoint', { of: id, body: { since }, options });
  }
}
