import { List } from './list.ts';
import type { RequestOptions, Send } from './send.ts';
import type {
  ApiKey,
  CreateApiKey,
  ListApiKeys,
  NewApiKey,
  PatchProviderConfig,
  ProviderConfig,
  PutProviderConfig,
  RevokeApiKey,
  RevokedApiKey,
} from './types.ts';

/** Your own accounts at the providers, each under the provider's name. */
export class ProviderConfigs {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  list(options?: RequestOptions): List<ProviderConfig> {
    return new List(() => this.#send('listProviderConfigs', { options }));
  }

  get(provider: string, options?: RequestOptions): Promise<ProviderConfig> {
    return this.#send('getProviderConfig', { of: provider, options });
  }

  /** Replaces what was there. Secrets go in and never come out. */
  put(
    provider: string,
    body: PutProviderConfig,
    options?: RequestOptions,
  ): Promise<ProviderConfig> {
    return this.#send('putProviderConfig', { of: provider, body, options });
  }

  /** Switches a provider on or off for new payments. */
  patch(
    provider: string,
    body: PatchProviderConfig,
    options?: RequestOptions,
  ): Promise<ProviderConfig> {
    return this.#send('patchProviderConfig', { of: provider, body, options });
  }
}

/** Your keys. Several may be good at once, so that one can take another's place. */
export class ApiKeys {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  /** Newest first. */
  list(query: ListApiKeys = {}, options?: RequestOptions): List<ApiKey> {
    return new List((cursor = query.cursor) =>
      this.#send('listApiKeys', { query: { ...query, cursor }, options }),
    );
  }

  /** The key itself is told this once. It gets no scope that the calling key lacks. */
  create(body: CreateApiKey, options?: RequestOptions): Promise<NewApiKey> {
    return this.#send('createApiKey', { body, options });
  }

  /** It opens nothing from now on, and neither do the keys that it made, unless they are kept. */
  revoke(id: string, query: RevokeApiKey = {}, options?: RequestOptions): Promise<RevokedApiKey> {
    return this.#send('revokeApiKey', { of: id, query, options });
  }
}
