import type { TokenSubject } from '../../db/callback-token.ts';
import type { Provider, ProviderWebhook } from '../../domain/provider.ts';
import { PROVIDER_NAMES, PROVIDERS } from '../../providers/index.ts';

/** A channel of the webhook routes: whose it is, and what its callbacks are about. */
export type Channel = {
  readonly provider: Provider;
  readonly webhook: ProviderWebhook;
  readonly subject: TokenSubject;
};

/** Null for a name that no provider answers to. */
export function findChannel(name: string): Channel | null {
  for (const providerName of PROVIDER_NAMES) {
    const provider: Provider = PROVIDERS[providerName];
    if (provider.webhook.channel === name) {
      return { provider, webhook: provider.webhook, subject: 'payment' };
    }
    const webhook = provider.refundWebhooks.find(({ channel }) => channel === name);
    if (webhook !== undefined) return { provider, webhook, subject: 'refund' };
  }
  return null;
}

/** What came in on a channel, byte by byte. */
export type Callback = {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  readonly remoteAddress: string | null;
};
