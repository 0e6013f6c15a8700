import { CURRENCIES } from '../../domain/money.ts';
import { addAbilityCases } from './contract/abilities.ts';
import { addCallbackCases } from './contract/callbacks.ts';
import { addAnswerCases, addChargeCases } from './contract/charges.ts';
import type { ProviderDescription } from './contract/description.ts';
import { type Harness, openHarness } from './contract/harness.ts';
import { addSendCases } from './contract/lost.ts';
import { addLookupCases } from './contract/news.ts';

const GROUPS = {
  answers: addAnswerCases,
  charges: addChargeCases,
  'sends that are lost or refused': addSendCases,
  'look-ups': addLookupCases,
  callbacks: addCallbackCases,
  abilities: addAbilityCases,
  credentials: addCredentialCases,
  capabilities: addCapabilityCases,
} as const satisfies Record<string, (harness: Harness) => void>;
export type GroupName = keyof typeof GROUPS;

/** Runs all cases that the provider's capabilities call for, or only those of some groups. */
export function describeProvider(
  description: ProviderDescription,
  only?: readonly GroupName[],
): void {
  describe(`${description.provider.name} as a provider`, () => {
    const harness = openHarness(description);
    for (const [name, addCases] of Object.entries(GROUPS)) {
      const isMeant = only === undefined || only.some((it) => it === name);
      if (isMeant) describe(name, () => addCases(harness));
    }
  });
}

function addCredentialCases(harness: Harness): void {
  const { provider, requiredFields, malformedFields } = harness.description;
  const faultsOf = (changes: Readonly<Record<string, string>>, without?: string) => {
    const record = Object.entries({ ...harness.counterpart().credentials, ...changes });
    const reading = provider.readCredentials(
      Object.fromEntries(record.filter(([field]) => field !== without)),
    );
    return reading.ok ? [] : reading.faults;
  };

  it('takes what is in order, as its own', () => {
    const reading = provider.readCredentials(harness.counterpart().credentials);
    expect(reading).toMatchObject({ ok: true, credentials: { kind: provider.name } });
  });

  it('refuses the credentials of another provider', () => {
    expect(() => provider.connect({ kind: 'other' })).toThrow(/other/);
  });

  it.each([...requiredFields])('names %s when it is missing or empty', (field) => {
    for (const faults of [faultsOf({}, field), faultsOf({ [field]: '' })]) {
      expect(faults).toEqual([expect.stringContaining(field)]);
    }
  });

  it.each(Object.entries(malformedFields))('names %s when it has a wrong form', (field, value) => {
    const faults = faultsOf({ [field]: value });
    expect(faults).toEqual([expect.stringContaining(field)]);
    expect(faults.join()).not.toContain(value);
  });

  it('names a field that it does not have, without its value', () => {
    const faults = faultsOf({ colour: 'ultramarine' });
    expect(faults).toEqual([expect.stringContaining('colour')]);
    expect(faults.join()).not.toContain('ultramarine');
  });
}

function addCapabilityCases({ description: { provider } }: Harness): void {
  const { capabilities, policy, webhook, refundWebhooks } = provider;

  it.each(Object.entries(capabilities.amounts))(
    'takes amounts in %s within sense',
    (name, rule) => {
      const { min_minor, max_minor, step_minor } = rule;
      expect(CURRENCIES).toContain(name);
      expect(step_minor).toBeGreaterThanOrEqual(1);
      expect(min_minor).toBeGreaterThanOrEqual(step_minor);
      expect(max_minor).toBeGreaterThan(min_minor);
      for (const bound of [min_minor, max_minor]) expect(bound % step_minor).toBe(0);
    },
  );

  it('takes some currency', () => {
    expect(Object.keys(capabilities.amounts)).not.toEqual([]);
  });

  it('asks for a country only where it asks for a phone', () => {
    const hasPhone = capabilities.needs.includes('phone');
    expect(hasPhone || capabilities.phone_countries.length === 0).toBe(true);
  });

  it('verifies callbacks where they are signed, and only there', () => {
    expect(webhook.verify !== undefined).toBe(capabilities.callback_auth === 'signature');
  });

  it('hears of refunds only where it can refund, and each on a channel of its own', () => {
    const channels = [webhook, ...refundWebhooks].map(({ channel }) => channel);
    expect(new Set(channels).size).toBe(channels.length);
    for (const channel of channels) expect(channel).toMatch(/^[a-z][a-z0-9-]*$/);
    if (capabilities.refund === 'none') expect(refundWebhooks).toEqual([]);
    if (capabilities.refund === 'none') expect(capabilities.looks_up_refunds).toBe('none');
  });

  it('waits for a call no longer than for the whole', () => {
    expect(policy.charge.timeout_ms).toBeLessThan(policy.charge.deadline_ms);
    expect(policy.refund.timeout_ms).toBeLessThan(policy.refund.deadline_ms);
    expect(policy.lookup.timeout_ms).toBeLessThan(policy.lookup.window_ms);
  });
}
