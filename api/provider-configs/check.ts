import { faultsOfOverride } from '../../config/override-limits.ts';
import { overlayPolicy, type PolicyFault } from '../../config/policies.ts';
import type { Provider } from '../../domain/provider.ts';
import { trimPasted } from '../../domain/text.ts';
import { findProvider, PROVIDER_NAMES, simulatorAddress } from '../../providers/index.ts';
import { isLocalHttp } from '../addresses.ts';
import type { ApiDeps } from '../deps.ts';
import { type Fault, faulty } from '../errors.ts';
import type { PutConfigBody } from './schema.ts';

/**
 * Holds a configuration against the provider's own schema and the policy's.
 * @returns it with the address of its environment, but without that of the running simulator.
 * @throws ApiError invalid_request naming each field that is wrong.
 */
export function checkConfig(
  deps: ApiDeps,
  provider: Provider,
  given: PutConfigBody,
): PutConfigBody {
  const body = { ...given, credentials: withoutEnds(given.credentials) };
  const { baseUrl, faults: addressFaults } = addressOf(deps, provider, body);
  const { base_url: _, ...rest } = body.credentials;
  const credentials = { ...rest, base_url: baseUrl };
  const credentialFaults = addressFaults.length > 0 ? [] : faultsIn(provider, credentials, body);
  const faults = [
    ...addressFaults,
    ...credentialFaults.map(toCredentialFault),
    ...policyFaults(deps, provider, body.policy_override),
  ];
  // Ports move from one start to the next; what is stored without an address moves with them.
  const isFollowed = body.environment === 'simulator' && baseUrl === runningOf(deps, provider);
  if (faults.length === 0) return { ...body, credentials: isFollowed ? rest : credentials };
  throw faulty('invalid_request', faults);
}

/** What is stored, shown and compared is what the provider's own schema reads. */
function withoutEnds(pasted: PutConfigBody['credentials']): PutConfigBody['credentials'] {
  const entries = Object.entries(pasted).map(([field, value]) => [field, trimPasted(value)]);
  return Object.fromEntries(entries);
}

function faultsIn(
  provider: Provider,
  credentials: PutConfigBody['credentials'],
  { environment }: PutConfigBody,
): readonly string[] {
  const reading = provider.readCredentials(credentials);
  if (!reading.ok) return reading.faults;
  return provider.refuseNew?.(reading.credentials, environment) ?? [];
}

/** The address is empty where there are faults. */
type Address = { readonly baseUrl: string; readonly faults: readonly Fault[] };

function runningOf({ providerEnv }: ApiDeps, { name }: Provider): string | null {
  return simulatorAddress(providerEnv, name);
}

/**
 * The environment says where our requests and a merchant's secrets go. An address of a merchant's
 * own would let it send us anywhere, so it may name one only for simulators, and only where this
 * machine is the merchant's own.
 */
function addressOf(deps: ApiDeps, provider: Provider, body: PutConfigBody): Address {
  const { name, baseUrls } = provider;
  const given = body.credentials.base_url;
  const refuse = (pointer: string, detail: string) => ({
    baseUrl: '',
    faults: [{ pointer, detail }],
  });
  if (body.environment === 'simulator') {
    if (!deps.allowsLoopback) return refuse('/environment', 'there are no simulators here');
    const address = given ?? runningOf(deps, provider);
    if (address === null) {
      const detail = `is missing, and no simulator of ${name} runs here: name one, http://127.0.0.1:<port>`;
      return refuse('/credentials/base_url', detail);
    }
    if (isLoopback(address)) return { baseUrl: address, faults: [] };
    return refuse('/credentials/base_url', 'must be http://127.0.0.1:<port>, a simulator’s');
  }
  const own = baseUrls[body.environment];
  if (own === undefined) return refuse('/environment', `${name} has no ${body.environment}`);
  if (given === undefined || given === own) return { baseUrl: own, faults: [] };
  return refuse('/credentials/base_url', `is ${own} in ${body.environment}: leave it out`);
}

function isLoopback(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && isLocalHttp(url);
}

function policyFaults(
  { policies }: ApiDeps,
  { name }: Provider,
  override: PutConfigBody['policy_override'],
): readonly Fault[] {
  const policy = policies.providers[name];
  if (policy === undefined) return [];
  const { rate_limit_per_second: rate, ...own } = override;
  const overlaid = overlayPolicy(policy, own);
  const malformed = (overlaid.ok ? [] : overlaid.faults).map(toPolicyFault);
  const beyond = faultsOfOverride(own).map(toPolicyFault);
  // Where both say no, the limits name what may be chosen.
  const others = malformed.filter(({ pointer }) => !beyond.some((it) => it.pointer === pointer));
  const faults = [...(rate === undefined ? [] : [refuseRate(name)]), ...beyond, ...others];
  if (!overlaid.ok) return faults;
  const pointer = '/policy_override/reattempt/fallback';
  const unknown = overlaid.policy.reattempt.fallback
    .filter((other) => findProvider(other) === null)
    .map(() => ({ pointer, detail: `must name providers: ${PROVIDER_NAMES.join(', ')}` }));
  return [...faults, ...unknown];
}

/** The rate is that of the provider's queue, which no single merchant's policy can change. */
function refuseRate(name: string): Fault {
  const detail = `is the deployment’s: all merchants share one queue to ${name}; leave it out`;
  return { pointer: '/policy_override/rate_limit_per_second', detail };
}

/** By RFC 6901; a provider's code may hold a dot. */
function toPolicyFault({ path, detail }: PolicyFault): Fault {
  const steps = path.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`);
  return { pointer: `/policy_override${steps.join('')}`, detail };
}

/** `field.path: how to mend it` becomes a pointer and its detail. */
function toCredentialFault(fault: string): Fault {
  const colon = fault.indexOf(': ');
  const path = fault.slice(0, colon).replaceAll('.', '/');
  return { pointer: `/credentials/${path}`, detail: fault.slice(colon + 2) };
}
