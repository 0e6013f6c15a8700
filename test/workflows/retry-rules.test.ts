import { failure } from '../../domain/error.ts';
import type { Outcome } from '../../domain/outcome.ts';
import type { ProviderPolicy, RetryRules } from '../../domain/policy.ts';
import { paymentStart } from '../../temporal/start.ts';
import { type Harness, openHarness, outcome } from './harness.ts';

/** Which failures the engine tries again by itself, and after which pause. */
let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

/** A payment whose every attempt is declined the same way. */
async function declineAll(changes: Partial<Outcome>, policy: Partial<ProviderPolicy>) {
  const { input, story } = harness.prepare(
    {
      charge: (send) => outcome('declined', { providerPaymentId: `id_${send}`, ...changes }),
      lookup: () => null,
    },
    policy,
  );
  const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
  expect(await handle.result()).toEqual({ status: 'failed' });
  const planned = story.entries.filter(({ action }) => action === 'payment.reattempt_planned');
  return { sends: story.sends, pauses: planned.map(({ waitMs }) => waitMs) };
}

const UNREACHABLE = { failure: failure('payer_unreachable', '1037'), providerCode: '1037' };
const again = (after_ms: number) => ({ who: 'later', after_ms, auto: true }) as const;
const byCode = { payer_unreachable: again(60_000) };
const byProviderCode = { '1037': again(5_000) };
const reattempt = { max_attempts: 3, fallback: [] };

it.each<readonly [string, Partial<Outcome>, RetryRules, readonly number[]]>([
  ['no rule', UNREACHABLE, {}, []],
  ['a rule of our code', UNREACHABLE, { by_code: byCode }, [60_000, 60_000]],
  ['a rule of the provider’s', UNREACHABLE, { by_provider_code: byProviderCode }, [5_000, 5_000]],
  [
    'both: the provider’s own says more',
    UNREACHABLE,
    { by_code: byCode, by_provider_code: byProviderCode },
    [5_000, 5_000],
  ],
  [
    'a rule of the provider’s that takes ours back',
    UNREACHABLE,
    { by_code: byCode, by_provider_code: { '1037': { who: 'payer' } } },
    [],
  ],
  [
    'both, of a decline that is final',
    { ...UNREACHABLE, isFinal: true },
    { by_code: byCode, by_provider_code: byProviderCode },
    [],
  ],
  [
    'a rule for the merchant alone',
    UNREACHABLE,
    { by_code: { payer_unreachable: { who: 'later', after_ms: 9 } } },
    [],
  ],
])('a decline with %s', async (_what, declined, retry, pauses) => {
  const seen = await declineAll(declined, { retry, reattempt });
  expect(seen).toEqual({ sends: pauses.length + 1, pauses });
});

it('opens no attempt beyond the number that the policy allows, whatever the rule', async () => {
  const policy = { retry: { by_code: byCode }, reattempt: { max_attempts: 1, fallback: [] } };
  expect(await declineAll(UNREACHABLE, policy)).toEqual({ sends: 1, pauses: [] });
});

it('takes no code of a provider for a rule that nobody wrote', async () => {
  const named = { failure: failure('declined', 'constructor'), providerCode: 'constructor' };
  const policy = { retry: { by_provider_code: {} }, reattempt };
  expect(await declineAll(named, policy)).toEqual({ sends: 1, pauses: [] });
});
