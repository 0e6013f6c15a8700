import { z } from 'zod';
import { hashOfPaymentWorkflowId, hashOfRefundWorkflowId } from '../../domain/id.ts';
import type { Translation } from '../../domain/webhook-event.ts';
import { textMap } from './wire.ts';

/** Whose an object is, told also where the object cannot be read as a whole. */
const owned = z.object({ metadata: textMap });

const HASH_OF = { payment: hashOfPaymentWorkflowId, refund: hashOfRefundWorkflowId } as const;

/** The workflow of ours that the object's metadata name under this key; null for none. */
export function workflowNamed(
  object: unknown,
  key: string,
  of: 'payment' | 'refund',
): string | null {
  const workflow = owned.safeParse(object).data?.metadata[key] ?? '';
  return HASH_OF[of](workflow) === null ? null : workflow;
}

/** A body that cannot be read; its workflow, where the metadata name one, asks the provider. */
export function malformed(reason: string, workflowId: string | null): Translation {
  return { kind: 'malformed', reason, ...(workflowId === null ? {} : { workflowId }) };
}

/** An event about what others made at the same account. */
export function notOurs(eventKey: string): Translation {
  return { kind: 'ignored', eventKey, reason: 'it names no workflow of ours' };
}
