import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { describeIssue } from '../domain/fault-words.ts';
import { CURRENCIES } from '../domain/money.ts';
import type { DeliveryLimits } from '../domain/outgoing-event.ts';
import type { ProviderPolicy } from '../domain/policy.ts';
import { durationMs, providerPolicy, scheduleMs } from './provider-policy.ts';
import { SettingsError } from './settings-error.ts';

const DEFAULTS_PATH = fileURLToPath(new URL('./policies.yaml', import.meta.url));

const DAY_MS = 24 * 3_600_000;
/** The longest that a request may wait for a workflow: a process that ends waits longer. */
export const REQUEST_WAIT_MAX_MS = 30_000;

/** By currency; the default is for those without an amount of their own. */
const fromMinor = z
  .partialRecord(z.enum(['default', ...CURRENCIES]), z.int().nonnegative())
  .transform(({ default: others, ...own }, context) => {
    if (others !== undefined) return { ...own, default: others };
    context.addIssue({ code: 'custom', path: ['default'], message: 'is missing' });
    return z.NEVER;
  });

const network = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], {
  error: 'must be an address or a network, such as 192.0.2.0/24',
});

const rateLimit = z.strictObject({
  requests: z.int().min(1).max(1_000_000),
  per_ms: z.int().min(1000).max(86_400_000),
});

const deliveryLimits: z.ZodType<DeliveryLimits> = z.strictObject({
  endpoints_max: z.int().min(1).max(100),
  first_tries_max: z.int().min(1).max(10_000),
  first_tries_per_endpoint_max: z.int().min(1).max(10_000),
  posts_max: z.int().min(1).max(100),
  posts_per_endpoint_max: z.int().min(1).max(100),
});

const policies = z.strictObject({
  api: z.strictObject({
    start_wait_ms: durationMs.max(REQUEST_WAIT_MAX_MS),
    two_operators: z.boolean(),
    two_operators_from_minor: fromMinor,
    callback_token_life_ms: durationMs.min(DAY_MS),
    callback_addresses: z.record(z.string(), z.array(network).min(1).max(100)),
    phone_limit: z.strictObject({
      open: z.int().min(1).max(10_000),
      requests: z.int().min(1).max(100_000),
      per_ms: z.int().min(1000).max(86_400_000),
    }),
    waiting_charges: z.strictObject({
      fairness: z.enum(['ask', 'on', 'off']),
      fair_ms: durationMs.min(1_000),
      unfair_ms: durationMs.min(1_000),
      charges_max: z.int().min(10).max(10_000),
    }),
    live_keys_max: z.int().min(1).max(1000),
    rate_limits: z.strictObject({
      merchant: rateLimit,
      operator: rateLimit,
      sign_in: rateLimit,
      sign_in_site: rateLimit,
      sign_in_email: rateLimit,
      refused: rateLimit,
      refused_site: rateLimit,
      address: rateLimit,
      health: rateLimit,
      forged: rateLimit,
      forged_address: rateLimit,
      unknown_callback: rateLimit,
      callback_account: rateLimit,
      callback_token: rateLimit,
      recover: rateLimit,
      resend: rateLimit,
    }),
  }),
  sweep: z.strictObject({
    interval_ms: durationMs.min(1000),
    unstarted_after_ms: durationMs,
    undelivered_after_ms: durationMs,
    batch: z.int().min(1).max(1000),
  }),
  delivery: z.strictObject({
    timeout_ms: durationMs,
    schedule_ms: scheduleMs,
    disable_after_ms: durationMs,
  }),
  delivery_limits: deliveryLimits,
  providers: z.record(z.string(), providerPolicy),
});
export type Policies = z.infer<typeof policies>;
export type SweepPolicy = Policies['sweep'];
export type LimitName = keyof Policies['api']['rate_limits'];

/** Where in a policy something is wrong, and how to mend it. */
export type PolicyFault = { readonly path: readonly string[]; readonly detail: string };

/** Lays a merchant's own values over a provider's policy. */
export function overlayPolicy(
  policy: ProviderPolicy,
  over: Readonly<Record<string, unknown>>,
):
  | { readonly ok: true; readonly policy: ProviderPolicy }
  | { readonly ok: false; readonly faults: readonly PolicyFault[] } {
  const parsed = providerPolicy.safeParse(overlay(policy, over), { error: describeIssue });
  if (parsed.success) return { ok: true, policy: parsed.data };
  return { ok: false, faults: parsed.error.issues.flatMap(faultsOf) };
}

export class PolicyError extends SettingsError {
  constructor(faults: readonly string[]) {
    super(`the policies are not valid:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
    this.name = 'PolicyError';
  }
}

/**
 * The policies in force: providers' defaults, then config/policies.yaml, then the overlay.
 * @param overlayPath the file of MALIPO_POLICIES, or null.
 * @throws PolicyError naming file and path of every fault.
 */
export function readPolicies(
  providerDefaults: Readonly<Record<string, ProviderPolicy>>,
  overlayPath: string | null,
): Policies {
  let merged: unknown = { providers: providerDefaults };
  const paths = overlayPath === null ? [DEFAULTS_PATH] : [DEFAULTS_PATH, overlayPath];
  const layers = paths.map((path) => ({ path, content: readYaml(path) }));
  for (const { content } of layers) merged = overlay(merged, content);
  const nameFile = (keys: readonly PropertyKey[], fault: string) => {
    const layer = layers.findLast(({ content }) => isSetBy(content, keys));
    return layer === undefined ? fault : `${basename(layer.path)}: ${fault}`;
  };
  const parsed = policies.safeParse(merged, { error: describeIssue });
  const unknown = isObject(merged) && isObject(merged.providers) ? merged.providers : {};
  const faults = Object.keys(unknown)
    .filter((name) => !Object.hasOwn(providerDefaults, name))
    .map((name) => nameFile(['providers', name], `providers.${name}: no such provider`));
  for (const name of Object.keys(parsed.data?.api.callback_addresses ?? {})) {
    if (Object.hasOwn(providerDefaults, name)) continue;
    const path = ['api', 'callback_addresses', name];
    faults.push(nameFile(path, `${path.join('.')}: no such provider`));
  }
  for (const [name, { reattempt }] of Object.entries(parsed.data?.providers ?? {})) {
    const path = `providers.${name}.reattempt.fallback`;
    for (const other of reattempt.fallback.filter((it) => !Object.hasOwn(providerDefaults, it))) {
      faults.push(nameFile(path.split('.'), `${path}: no such provider: ${other}`));
    }
  }
  if (!parsed.success) {
    const told = parsed.error.issues.flatMap((it) =>
      faultsOf(it).map(({ path, detail }) => nameFile(it.path, `${path.join('.')}: ${detail}`)),
    );
    faults.push(...told);
  }
  if (faults.length > 0 || !parsed.success) throw new PolicyError(faults);
  return parsed.data;
}

function readYaml(path: string): unknown {
  try {
    return parse(readFileSync(path, 'utf8')) ?? {};
  } catch (error) {
    throw new PolicyError([`${path}: ${error instanceof Error ? error.message : 'unreadable'}`]);
  }
}

/** Objects are laid over each other key by key; everything else replaces. */
function overlay(under: unknown, over: unknown): unknown {
  if (!isObject(under) || !isObject(over)) return over;
  const result: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) result[key] = overlay(under[key], value);
  return result;
}

/** Whether a file says something at this path. */
function isSetBy(content: unknown, keys: readonly PropertyKey[]): boolean {
  const [key, ...rest] = keys;
  if (key === undefined) return content !== undefined;
  return isObject(content) && isSetBy(content[String(key)], rest);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One for each key. */
function faultsOf(issue: z.core.$ZodIssue): readonly PolicyFault[] {
  const path = issue.path.map(String);
  if (issue.code !== 'unrecognized_keys') return [{ path, detail: issue.message }];
  return issue.keys.map((key) => ({ path: [...path, key], detail: 'is unknown' }));
}
