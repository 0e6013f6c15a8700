import { newId } from '../../db/ids.ts';
import { sealBody } from '../../db/webhook-events.ts';
import {
  isUnreadable,
  type SealedWebhookEvent,
  type StoredEvent,
  type Translation,
  unreadableEvent,
} from '../../domain/webhook-event.ts';
import type { ApiDeps } from '../deps.ts';
import type { Callback, Channel } from './channel.ts';
import { cutBody } from './keeping.ts';
import type { Proof } from './proof.ts';
import { readCallback } from './reading.ts';

export type Sealed = {
  readonly sealed: SealedWebhookEvent;
  /** Set where it is written in another version of the provider’s API than the one that we read. */
  readonly otherVersion: string | undefined;
  /** The phone that it names, in clear: for a comparison at once, and for nothing else. */
  readonly payerPhone: string | undefined;
};

/** A callback as it is stored: its bytes sealed, whose it is and what it says. */
export function seal(
  { vault, log }: ApiDeps,
  channel: Channel,
  { workflowId: addressed, account }: Proof,
  { body, headers, remoteAddress }: Callback,
): Sealed {
  const id = newId('event');
  const { read, key } = readCallback({ vault, log }, channel, body);
  const named = 'workflowId' in read ? (read.workflowId ?? null) : null;
  const workflowId = addressed ?? named;
  const event = eventOf(read, workflowId);
  const { kept, note } = cutBody(read.kind, body);
  const reason = isUnreadable(event) ? event.message : 'reason' in read ? read.reason : null;
  const sealed = {
    id,
    provider: channel.provider.name,
    account,
    eventKey: addressed === null ? `${account}:${key}` : `${hashIn(addressed)}:${key}`,
    status: STATUSES[read.kind],
    workflowId,
    event,
    bodyCipher: sealBody(vault, id, kept),
    headers,
    verifiedBy: channel.webhook.verify === undefined ? 'token' : 'signature',
    remoteAddress,
    error: note === null ? reason : `${reason}; ${note}`,
  };
  const payerPhone = read.kind === 'event' ? read.payerPhone : undefined;
  return { sealed, otherVersion: read.otherVersion, payerPhone };
}

function hashIn(workflowId: string): string {
  return workflowId.slice(workflowId.indexOf('-') + 1);
}

const STATUSES = {
  event: 'received',
  refund_event: 'received',
  dispute: 'received',
  provider_refund: 'received',
  ignored: 'applied',
  malformed: 'parked',
} as const satisfies Record<Translation['kind'], SealedWebhookEvent['status']>;

/** What cannot be read, and is genuine, makes its payment or refund ask the provider. */
function eventOf(read: Translation, workflowId: string | null): StoredEvent | null {
  if (read.kind === 'malformed') {
    return workflowId === null ? null : unreadableEvent(workflowId, read.reason);
  }
  if (read.kind === 'event' || read.kind === 'refund_event') return read.event;
  if (read.kind === 'dispute') return { kind: 'dispute', ...read.dispute };
  return read.kind === 'provider_refund' ? { kind: read.kind, refund: read.refund } : null;
}
