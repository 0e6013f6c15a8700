import * as daraja from '../../providers/mpesa/simulator.ts';
import * as stripe from '../../providers/stripe/simulator.ts';
import type { ProviderDescription } from './contract/description.ts';
import { describeProvider } from './contract.ts';
import type { Live } from './live/live.ts';
import { describeLiveMpesa, readLiveMpesa } from './live/mpesa.ts';
import { describeLiveStripe, readLiveStripe } from './live/stripe.ts';

/**
 * The contract suite against the real services, in their test modes: only with keys of one's own,
 * since they are on the internet. Without keys one line each says that nothing was asked.
 */
describe('Stripe itself', () => run(readLiveStripe(process.env)));
describe('Daraja itself', () => run(readLiveMpesa(process.env)));

function run(live: Live): void {
  if (live.kind === 'ready') describeProvider(live.description);
  if (live.kind === 'refused') {
    it('is not asked with what was set', () => {
      throw new Error(live.why);
    });
  }
  if (live.kind === 'absent') {
    process.stderr.write(`${live.why}\n`);
    // reason: the real service takes an account of one's own and the internet
    it.skip(live.why, () => undefined);
  }
}

const KEY = 'MALIPO_LIVE_MPESA_CONSUMER_KEY';
const SECRET = 'MALIPO_LIVE_MPESA_CONSUMER_SECRET';

const READERS = { Stripe: readLiveStripe, Daraja: readLiveMpesa };

describe('what is set', () => {
  // table
  it.each([
    ['Stripe', {}, 'absent', /MALIPO_LIVE_STRIPE_KEY.*sk_test_/],
    ['Stripe', { MALIPO_LIVE_STRIPE_KEY: '' }, 'absent', /MALIPO_LIVE_STRIPE_KEY/],
    ['Stripe', { MALIPO_LIVE_STRIPE_KEY: 'sk_live_a1b2' }, 'refused', /must start with sk_test_/],
    ['Stripe', { MALIPO_LIVE_STRIPE_KEY: 'pk_test_a1b2' }, 'refused', /must start with sk_test_/],
    ['Daraja', {}, 'absent', /MPESA_CONSUMER_KEY and .*MPESA_CONSUMER_SECRET/],
    ['Daraja', { [KEY]: 'a1b2' }, 'refused', /CONSUMER_SECRET is missing/],
    ['Daraja', { [SECRET]: 'a1b2' }, 'refused', /CONSUMER_KEY is missing/],
  ] as const)('for %s: %o is %s', (name, environment, kind, why) => {
    const live = READERS[name](environment);
    expect(live).toEqual({ kind, why: expect.stringMatching(why) });
    expect(JSON.stringify(live)).not.toContain('a1b2');
  });

  it('is all it takes: the address and the other values are those of the sandboxes', async () => {
    const { secret_key } = stripe.SANDBOX.credentials;
    expect(await credentialsOf(readLiveStripe({ MALIPO_LIVE_STRIPE_KEY: secret_key }))).toEqual({
      secret_key,
      base_url: 'https://api.stripe.com',
      webhook_secrets: expect.stringMatching(/^whsec_/),
    });
    expect(await credentialsOf(readLiveMpesa({ [KEY]: 'k', [SECRET]: 's' }))).toEqual({
      consumer_key: 'k',
      consumer_secret: 's',
      short_code: '174379',
      passkey: expect.stringMatching(/^bfb279/),
      base_url: 'https://sandbox.safaricom.co.ke',
    });
  });
});

async function credentialsOf(live: Live) {
  if (live.kind !== 'ready') throw new Error(live.why);
  return (await live.description.open('http://127.0.0.1:1')).credentials;
}

type Simulator = { readonly url: string; close(): Promise<void> };

/** What is meant for the real service, with a simulator at its address: does it work at all? */
function rehearse(
  start: () => Promise<Simulator>,
  describeAt: (baseUrl?: string) => ProviderDescription,
): ProviderDescription {
  return {
    ...describeAt(),
    async open(callbackUrl) {
      const simulator = await start();
      const live = await describeAt(simulator.url).open(callbackUrl);
      return { ...live, close: () => simulator.close() };
    },
  };
}

describe('rehearsed with a simulator', () => {
  const { secret_key } = stripe.SANDBOX.credentials;
  const { consumer_key, consumer_secret, short_code, passkey } = daraja.SANDBOX.credentials;
  const app = { consumer_key, consumer_secret, short_code, passkey };
  const settings = { answer_mode: 'manual' };

  describeProvider(
    rehearse(
      () => stripe.startSimulator({ port: 0 }),
      (baseUrl) => describeLiveStripe(secret_key, baseUrl),
    ),
    ['answers', 'charges', 'abilities'],
  );
  describeProvider(
    rehearse(
      () => daraja.startSimulator({ port: 0, settings }),
      (baseUrl) => describeLiveMpesa(app, undefined, baseUrl),
    ),
    ['answers'],
  );
});
