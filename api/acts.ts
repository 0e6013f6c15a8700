import { finishAct, insertAct } from '../db/operator-acts.ts';
import type { ApiDeps } from './deps.ts';
import { ApiError, PROBLEMS } from './errors.ts';
import type { Incoming, Operation, Reply } from './operation.ts';

const ASKED_LENGTH_MAX = 2000;
const TARGET_LENGTH_MAX = 100;

/**
 * Runs an operation. What an operator sets out to change, or to see of what is personal, is written
 * down before it is done, with who and from where; what it was answered with is added after it.
 */
export async function runSeen(
  deps: ApiDeps,
  operation: Operation,
  incoming: Incoming,
): Promise<Reply> {
  const { caller } = incoming;
  const isKept = operation.method !== 'get' || operation.isSeen === true;
  if (caller.kind !== 'operator' || !isKept) return await operation.run(deps, incoming);
  const agent = incoming.headers['user-agent'];
  const [target] = Object.values(incoming.params);
  const id = await insertAct(deps.pool, {
    operatorId: caller.operatorId,
    email: caller.email,
    role: caller.role,
    action: operation.id,
    target: target === undefined ? null : cleanText(target).slice(0, TARGET_LENGTH_MAX),
    details: { asked: describeBody(incoming.body) },
    requestId: incoming.requestId,
    remoteAddress: incoming.remoteAddress,
    userAgent: typeof agent === 'string' ? cleanText(agent).slice(0, 300) : null,
  });
  try {
    const reply = await operation.run(deps, incoming);
    await finishAct(deps.pool, id, reply.status);
    return reply;
  } catch (error) {
    const status = error instanceof ApiError ? PROBLEMS[error.code].status : 500;
    await finishAct(deps.pool, id, status);
    throw error;
  }
}

/** What was asked, in short; secrets are named and not told. */
function describeBody(body: unknown): string {
  if (body === undefined) return '';
  const text = JSON.stringify(body, (key, value: unknown) =>
    /password|credentials|secret|token/i.test(key) ? '••••' : value,
  );
  return cleanText(text).slice(0, ASKED_LENGTH_MAX);
}

function cleanText(text: string): string {
  return text.toWellFormed().replaceAll(/\p{Cc}/gu, ' ');
}
