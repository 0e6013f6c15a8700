import { z } from 'zod';
import { ID_PREFIXES, type IdKind } from '../../domain/id.ts';
import { exampleId } from '../response.ts';

/** What a parameter is for, where its own schema does not say so. */
const WORDS: Readonly<Record<string, string>> = {
  // table
  action: 'Only what was done by this name',
  actor: 'Only what these did',
  amount: 'Exactly this, in minor units: KES 150 is 15000',
  before: 'Up to this time, and not at it',
  channel: 'The provider’s name in callbacks',
  code: 'A problem’s `code`',
  created_before: 'Made before this time',
  created_from: 'Made at this time or after it',
  cursor: 'The `next_cursor` of the page before; left out, the first page',
  customer_id: 'The merchant’s own id of the payer, exactly',
  email: 'The payer’s, whole; it is looked up by its hash',
  endpoint_id: 'Only to this webhook endpoint',
  file: 'The name of a file that the page loads',
  format: 'What the file is made of',
  from: 'From this time on',
  merchant_id: 'Only of this merchant',
  operator_id: 'Only of this operator',
  payment_id: 'Only of this payment',
  phone: 'The payer’s, whole; it is looked up by its hash',
  proof: 'The token of an attempt, or the id of a configuration: what proves the sender',
  provider: 'A provider’s name, such as `mpesa`',
  reference: 'What the payer read, exactly',
  review_reason: 'Only what waits for this reason',
  status: 'Only with this status',
  step: 'How long the time of one group is',
  target: 'Only what was done to this: the id of a payment, an operator, …',
};

/** Whose id stands behind a noun of a path. */
const KINDS: Readonly<Record<string, IdKind>> = {
  // table
  'api-keys': 'api_key',
  batches: 'batch',
  deliveries: 'delivery',
  events: 'message',
  merchants: 'merchant',
  operators: 'operator',
  payments: 'payment',
  refunds: 'refund',
  'webhook-endpoints': 'webhook_endpoint',
  'webhook-events': 'event',
};

/** The parts of a path that vary; null where none does. */
export function describePath(path: string): z.ZodObject | null {
  const parts = [...path.matchAll(/(?:([\w-]+)\/)?\{(\w+)\}/g)];
  if (parts.length === 0) return null;
  return z.object(
    Object.fromEntries(parts.map(([, noun = '', name = '']) => [name, describePart(noun, name)])),
  );
}

function describePart(noun: string, name: string): z.ZodType {
  const kind = KINDS[noun];
  if (kind === undefined) return z.string().meta({ description: WORDS[name] });
  const description = `Its id, \`${ID_PREFIXES[kind]}_…\``;
  return z.string().meta({ description, example: exampleId(kind) });
}

/** The same query, each parameter with words: its own, or those of its name. */
export function describeQuery(query: z.ZodObject): z.ZodObject {
  const described = Object.entries(query.shape).map(([name, it]) => {
    const own = it.meta?.();
    const description = own?.description ?? WORDS[name];
    return [name, it.meta({ ...own, description })];
  });
  return z.object(Object.fromEntries(described));
}
