/**
 * Ids are a prefix that names the thing and a UUIDv7 (RFC 9562) in 32 lowercase hex digits: they
 * sort by creation time and can be told apart in any log.
 */
export const ID_PREFIXES = {
  payment: 'pay',
  attempt: 'att',
  refund: 'ref',
  event: 'evt',
  provider_config: 'pcf',
  merchant: 'mer',
  api_key: 'key',
  operator: 'opr',
  act: 'act',
  decision: 'dec',
  message: 'msg',
  webhook_endpoint: 'whe',
  delivery: 'del',
  audit: 'aud',
  batch: 'bat',
  request: 'req',
} as const;

export type IdKind = keyof typeof ID_PREFIXES;

/** The randomness and the clock come from outside: this room has neither. */
export type IdSource = { readonly nowMs: number; readonly random: Uint8Array };

/**
 * Makes an id such as `pay_0193e0d5a1c27d3f8c1e2b3a4d5e6f70`.
 * @param source 10 random bytes and the time in milliseconds since 1970.
 */
export function makeId(kind: IdKind, source: IdSource): string {
  return `${ID_PREFIXES[kind]}_${uuidV7Hex(source)}`;
}

/** True when the text is an id of this kind. */
export function isId(kind: IdKind, text: string): boolean {
  const prefix = ID_PREFIXES[kind];
  return text.startsWith(`${prefix}_`) && /^[0-9a-f]{32}$/.test(text.slice(prefix.length + 1));
}

function uuidV7Hex({ nowMs, random }: IdSource): string {
  if (random.length !== 10)
    throw new RangeError(`an id takes 10 random bytes, not ${random.length}`);
  if (!Number.isSafeInteger(nowMs) || nowMs < 0 || nowMs >= 2 ** 48) {
    throw new RangeError(`an id takes milliseconds since 1970, not ${nowMs}`);
  }
  const time = nowMs.toString(16).padStart(12, '0');
  const hex = Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const variant = (8 + (Number.parseInt(hex.slice(3, 4), 16) % 4)).toString(16);
  return `${time}7${hex.slice(0, 3)}${variant}${hex.slice(4, 19)}`;
}

/**
 * Workflow ids stand in clear in Temporal, so they are made of a keyed hash of merchant and
 * idempotency key (32 hex digits) and never of what a client sent.
 */
const WORKFLOW_ID = /^payment-([0-9a-f]{32})$/;
const REFUND_WORKFLOW_ID = /^refund-([0-9a-f]{32})$/;

export function paymentWorkflowId(hash: string): string {
  const id = `payment-${hash}`;
  if (!WORKFLOW_ID.test(id)) throw new RangeError('a workflow id takes a hash of 32 hex digits');
  return id;
}

/**
 * What providers know an attempt by, in their metadata and as the beginning of our keys. It is made
 * of what comes back when a merchant repeats its request after the database was put back to an
 * earlier time (ADR 0016): the ids of rows do not, and a key made of them would charge again.
 */
export function attemptReference(workflowId: string, ordinal: number): string {
  return `${workflowId}/${ordinal}`;
}

/** The hash in a payment's workflow id; null for any other id. */
export function hashOfPaymentWorkflowId(workflowId: string): string | null {
  return WORKFLOW_ID.exec(workflowId)?.[1] ?? null;
}

export function refundWorkflowId(hash: string): string {
  const id = `refund-${hash}`;
  if (!REFUND_WORKFLOW_ID.test(id)) throw new RangeError('a workflow id takes 32 hex digits');
  return id;
}

/** The hash in a refund's workflow id; null for any other id. */
export function hashOfRefundWorkflowId(workflowId: string): string | null {
  return REFUND_WORKFLOW_ID.exec(workflowId)?.[1] ?? null;
}
