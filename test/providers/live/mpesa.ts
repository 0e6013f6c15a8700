import { SANDBOX } from '../../../providers/mpesa/simulator.ts';
import type { ProviderDescription } from '../contract/description.ts';
import { NOTHING_ELSE } from '../contract/needs.ts';
import { MPESA } from '../mpesa-account.ts';
import { type Environment, type Live, REAL_LACKS } from './live.ts';

const KEY = 'MALIPO_LIVE_MPESA_CONSUMER_KEY';
const SECRET = 'MALIPO_LIVE_MPESA_CONSUMER_SECRET';

/**
 * By the consumer key and secret of an app in Daraja's sandbox. The sandbox's short code, its
 * passkey and the phone that rings are public test values, unless others are set.
 */
export function readLiveMpesa(environment: Environment): Live {
  const { [KEY]: consumer_key, [SECRET]: consumer_secret } = environment;
  if (!consumer_key && !consumer_secret) {
    return { kind: 'absent', why: `Daraja itself was not asked: set ${KEY} and ${SECRET}` };
  }
  if (!consumer_key || !consumer_secret) {
    const why = `${consumer_key ? SECRET : KEY} is missing: Daraja takes both, or is not asked`;
    return { kind: 'refused', why };
  }
  const { short_code, passkey } = SANDBOX.credentials;
  const credentials = {
    consumer_key,
    consumer_secret,
    short_code: environment.MALIPO_LIVE_MPESA_SHORT_CODE || short_code,
    passkey: environment.MALIPO_LIVE_MPESA_PASSKEY || passkey,
  };
  const phone = environment.MALIPO_LIVE_MPESA_PHONE || TEST_PHONE;
  return { kind: 'ready', description: describeLiveMpesa(credentials, phone) };
}

/** Safaricom's own test number, at which nobody answers. */
const TEST_PHONE = '+254708374149';

/** Daraja's sandbox. @param base_url where else to look for it, as if it were there. */
export function describeLiveMpesa(
  credentials: Readonly<Record<string, string>>,
  phone: string = TEST_PHONE,
  base_url: string = MPESA.provider.baseUrls.sandbox ?? '',
): ProviderDescription {
  const customer = { phone, email: null, name: null };
  // Daraja refuses an address that is not public; what it tells there nobody reads.
  const callbackUrl = 'https://shop.example.com/callback';
  const pays = { ...MPESA.pays, request: () => ({ customer, callbackUrl }) };
  return {
    ...MPESA,
    pays,
    waits: pays,
    // Those of refunds, which are skipped, are not asked for.
    secretFields: ['consumer_key', 'consumer_secret', 'passkey'],
    lacks: { ...REAL_LACKS, ledger: 'Daraja shows no ledger', payer: 'nobody holds the phone' },
    open: () =>
      Promise.resolve({
        ...NOTHING_ELSE,
        credentials: { ...credentials, base_url },
        close: () => Promise.resolve(),
      }),
  };
}
