import type { Caller } from '../../domain/access.ts';
import { type IdKind, isId } from '../../domain/id.ts';

/** The kinds of which a log names the thing that a request was about. */
const KINDS = [
  'payment',
  'refund',
  'event',
  'message',
  'delivery',
  'webhook_endpoint',
] as const satisfies readonly IdKind[];

/** What a request was about, for its line in the log: ids alone. @param body of the answer. */
export function nameSubject(params: unknown, body: unknown): Readonly<Record<string, string>> {
  return { ...nameParams(params), ...nameAnswer(body) };
}

function nameParams(params: unknown): Record<string, string> {
  const texts = Object.values(isRecord(params) ? params : {}).map(String);
  return Object.fromEntries(
    KINDS.flatMap((kind) =>
      texts.filter((text) => isId(kind, text)).map((text) => [`${kind}_id`, text]),
    ),
  );
}

/** A payment or refund that is shown says which one it is, and which workflow carries it. */
function nameAnswer(body: unknown): Record<string, string> {
  if (!isRecord(body) || (body.object !== 'payment' && body.object !== 'refund')) return {};
  const workflow = isRecord(body.workflow) ? body.workflow.id : null;
  const ids = {
    payment_id: body.payment_id,
    [`${body.object}_id`]: body.id,
    workflow_id: workflow,
  };
  return Object.fromEntries(
    Object.entries(ids).flatMap(([name, id]) => (typeof id === 'string' ? [[name, id]] : [])),
  );
}

/** Who asked, as far as that was known. */
export function nameCaller(caller: Caller | undefined): Readonly<Record<string, string>> {
  if (caller?.kind === 'merchant') return { merchant_id: caller.merchantId };
  return caller?.kind === 'operator' ? { operator_id: caller.operatorId } : {};
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
