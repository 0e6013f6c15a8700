import { openCredentialVersions } from '../../db/provider-configs.ts';
import { isId, paymentWorkflowId, refundWorkflowId } from '../../domain/id.ts';
import type { Credentials, Provider } from '../../domain/provider.ts';
import { withAddress } from '../../providers/index.ts';
import { subjectOf } from '../addresses.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { refuseExceeded } from '../middleware/rate-limit.ts';
import type { Callback, Channel } from './channel.ts';

/** What proved a callback: whose it is, by the token's word or by the signature's. */
export type Proof =
  | { readonly workflowId: string; readonly account: null }
  | { readonly workflowId: null; readonly account: string };

const WORKFLOW_IDS = { payment: paymentWorkflowId, refund: refundWorkflowId } as const;

/**
 * Reads the workflow out of the token in the address, which is the proof at the same time.
 * @throws ApiError not_found for a forged one.
 */
export function readToken({ tokens }: ApiDeps, { subject }: Channel, token: string): Proof {
  const read = tokens.read(subject, token);
  if (read === null) throw new ApiError('not_found', 'no route has this path');
  return { workflowId: WORKFLOW_IDS[subject](read.workflowHash), account: null };
}

/**
 * Checks the signature over the raw body with the deployment's own credentials, or with all that a
 * merchant's configuration had lately. To check is work, so who forges too often is not heard. That
 * is counted by configuration: one merchant's wrong secret must not shut out its provider.
 * @param configId the segment after the channel; empty for the deployment's own.
 * @returns the account that the secret belongs to, as a credentials reference without version.
 * @throws ApiError not_found for an unknown configuration, webhook_refused with the reason,
 *   rate_limited.
 */
export async function requireSignature(
  deps: ApiDeps,
  channel: Channel,
  configId: string,
  callback: Callback,
): Promise<Proof> {
  const address = subjectOf(callback.remoteAddress ?? '');
  const counted = [
    ['forged', `${address} ${configId.slice(0, 64)}`],
    ['forged_address', address],
  ] as const;
  for (const [limit, subject] of counted) {
    refuseExceeded(deps, limit, await deps.limits.look(limit, subject));
  }
  const fault = await findFault(deps, channel, configId, callback);
  if (fault === null) {
    const account = configId === '' ? `env:${channel.provider.name}` : `config:${configId}`;
    return { workflowId: null, account };
  }
  for (const [limit, subject] of counted) await deps.limits.count(limit, subject);
  throw new ApiError('webhook_refused', fault);
}

/**
 * Null when one of the secrets signed it. @throws ApiError temporarily_unavailable when none did
 * and one of them could not be looked at.
 */
async function findFault(
  deps: ApiDeps,
  { provider, webhook }: Channel,
  configId: string,
  { body, headers }: Callback,
): Promise<string | null> {
  let fault: string | null = 'no credentials are configured to check it with';
  const { candidates, hasUnreadable } = await candidatesOf(deps, provider, configId);
  for (const credentials of candidates) {
    fault = webhook.verify?.({ body, headers, nowMs: Date.now() }, credentials) ?? null;
    if (fault === null) return null;
  }
  if (hasUnreadable) {
    const detail = 'one of the credentials to check it with cannot be opened; send it again';
    throw new ApiError('temporarily_unavailable', detail);
  }
  return fault;
}

async function candidatesOf(
  { callbackPool, vault, providerEnv }: ApiDeps,
  provider: Provider,
  configId: string,
): Promise<{ readonly candidates: readonly Credentials[]; readonly hasUnreadable: boolean }> {
  if (configId !== '' && !isId('provider_config', configId)) {
    throw new ApiError('not_found', 'no route has this path');
  }
  const { name } = provider;
  const stored = configId === '' ? [] : await openCredentialVersions(callbackPool, vault, configId);
  const records =
    configId === ''
      ? [providerEnv[name] ?? {}]
      : stored.map((record) => record && withAddress(providerEnv, name, record));
  const candidates = records.flatMap((record) => {
    const reading = record === null ? null : provider.readCredentials(record);
    return reading?.ok === true ? [reading.credentials] : [];
  });
  return { candidates, hasUnreadable: stored.includes(null) };
}
