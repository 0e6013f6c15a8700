import type { Log } from '../../config/log.ts';
import { findPayerPhone } from '../../db/customers.ts';
import type { Connection } from '../../db/pool.ts';
import type { Vault } from '../../db/vault.ts';
import { namesAnotherPhone } from '../../domain/payer-phone.ts';
import { isStorable } from '../../domain/text.ts';
import type { SealedWebhookEvent, Translation } from '../../domain/webhook-event.ts';
import type { ApiDeps } from '../deps.ts';
import type { Channel } from './channel.ts';
import { malformedKey } from './keeping.ts';

/**
 * What a callback says, and the key that makes it unique. From here on neither holds anything of
 * the payer: ids that do are sealed, and no key can be guessed from what it was made of.
 */
export function readCallback(
  { vault, log }: Pick<ApiDeps, 'vault' | 'log'>,
  { provider, webhook }: Channel,
  body: Buffer,
): { readonly read: Translation; readonly key: string } {
  const read = requireStorable(translate(log, provider.name, webhook, body));
  const digest = (text: string) =>
    vault.hash('webhook_event_key', text).toString('hex').slice(0, 32);
  if (read.kind === 'malformed') {
    const { workflowId } = read;
    return { read, key: malformedKey(workflowId === undefined ? null : digest(workflowId)) };
  }
  if (provider.idsArePersonal !== true) return { read, key: read.eventKey };
  return { read: sealIds(vault, read), key: digest(read.eventKey) };
}

/**
 * What our own translation fails at is parked with its bytes, as any other that is malformed. The
 * log tells where it failed, and leaves out the error's message, which may quote the body.
 */
function translate(
  log: Log,
  provider: string,
  webhook: Channel['webhook'],
  body: Buffer,
): Translation {
  try {
    return webhook.translate(body);
  } catch (error) {
    const kind = error instanceof Error ? error.constructor.name : typeof error;
    const at = error instanceof Error ? (error.stack ?? '').match(/^ {4}at .*$/gm) : null;
    log.error({ provider, kind, at }, 'a callback could not be translated');
    return { kind: 'malformed', reason: `it could not be read: ${kind}` };
  }
}

/** PostgreSQL keeps no NUL and no half of a character; the sealed body keeps every byte. */
function requireStorable(read: Translation): Translation {
  if (isStorable(read)) return read;
  return { kind: 'malformed', reason: 'it holds NUL or half of a character' };
}

function sealIds(vault: Vault, read: Translation): Translation {
  if (read.kind === 'dispute') {
    const { dispute } = read;
    const providerPaymentId = vault.sealId(dispute.providerPaymentId);
    return { ...read, dispute: { ...dispute, providerPaymentId } };
  }
  if (read.kind === 'provider_refund') {
    const { refund } = read;
    const providerPaymentId = vault.sealId(refund.providerPaymentId);
    return { ...read, refund: { ...refund, providerPaymentId } };
  }
  if (read.kind !== 'event' || read.event.providerPaymentId === null) return read;
  const providerPaymentId = vault.sealId(read.event.providerPaymentId);
  return { ...read, event: { ...read.event, providerPaymentId } };
}

/**
 * Marks a success that names another phone than the payer’s. While the database is away nothing is
 * compared: the callback is then believed by its token, its amount and the policy’s own question.
 */
export async function comparePayer(
  db: Connection,
  vault: Vault,
  sealed: SealedWebhookEvent,
  told: string | undefined,
): Promise<SealedWebhookEvent> {
  const { event, workflowId } = sealed;
  if (told === undefined || workflowId === null || event?.kind !== 'succeeded') return sealed;
  if (!('money' in event)) return sealed;
  const ours = await findPayerPhone(db, vault, workflowId);
  if (ours === null || !namesAnotherPhone(told, ours)) return sealed;
  return { ...sealed, event: { ...event, payerMismatch: true } };
}
