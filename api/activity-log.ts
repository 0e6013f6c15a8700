import { maskEmail } from '../db/customers.ts';
import { finishAct, insertAct, type OperatorActivity } from '../db/operator-activity.ts';
import { findOperatorByEmail, findOperatorOfSession, type Operator } from '../db/operators.ts';
import type { Caller, OperatorCaller } from '../domain/access.ts';
import { isSensitive } from './admin/two-operators.ts';
import type { ApiDeps } from './deps.ts';
import { ApiError, PROBLEMS } from './errors.ts';
import { toProblem } from './middleware/problem.ts';
import type { Incoming, Operation, Reply } from './operation.ts';

const ASKED_LENGTH_MAX = 2000;
const PARAM_LENGTH_MAX = 100;

/** A request, without what says who asks for what. */
type Arrived = Omit<Incoming, 'caller' | 'body' | 'arrivedMs'>;

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
  const signing = SIGNING[operation.id];
  if (signing !== undefined) return await runSigning(deps, operation, incoming, signing);
  if (caller.kind !== 'operator' || !isKept(operation, incoming))
    return await operation.run(deps, incoming);
  const summary = describeRequest(
    incoming.body ?? (operation.query && maskPersons(incoming.query)),
  );
  const act = describeAct(operation, incoming, caller, summary);
  const id = await insertAct(deps.pool, act);
  const finish = async (status: number) => {
    tellAdmins(deps, act, id, status);
    // What was done is done: that its end could not be written down is no answer to who asked.
    await finishAct(deps.pool, id, status).catch((err: unknown) =>
      deps.log.error({ err, act_id: id, status }, 'how an act ended could not be kept'),
    );
  };
  try {
    const reply = await operation.run(deps, incoming);
    await finish(reply.status);
    return reply;
  } catch (error) {
    await finish(statusOf(error));
    throw error;
  }
}

/** One operator's doing is seen by all: by a line of the log and a figure that alerts can watch. */
function tellAdmins(
  { log, metrics }: ApiDeps,
  { action, target, operatorId }: OperatorActivity,
  id: string,
  status: number,
): void {
  if (!isSensitive(action)) return;
  const outcome = status === 202 ? 'awaits_second' : status < 400 ? 'done' : 'refused';
  metrics.countSensitiveAct(action, outcome);
  const about = { act_id: id, operator_id: operatorId, action, target, status };
  log.warn(about, 'an operator asked for something that all admins are told of');
}

/**
 * Keeps what an operator was refused before its request was looked at: what it may not do, and what
 * it would have been kept for had it not been malformed or too fast.
 * @param arrived.caller as far as it was known then.
 */
export async function keepRefused(
  { pool, log }: ApiDeps,
  operation: Operation,
  arrived: Arrived & { readonly caller: Caller | undefined },
  error: unknown,
): Promise<void> {
  const { caller } = arrived;
  if (caller?.kind !== 'operator' || !(error instanceof ApiError)) return;
  if (error.code !== 'forbidden' && !isKept(operation, arrived)) return;
  const act = describeAct(operation, arrived, caller, '');
  // A refusal stays one, also when it cannot be kept.
  await insertAct(pool, act, statusOf(error)).catch((err: unknown) =>
    log.error({ err, request_id: arrived.requestId }, 'a refused act could not be kept'),
  );
}

type Signing = {
  /** The answers that are kept. */
  readonly statuses: readonly number[];
  /** Whom it is about, by what was sent. */
  readonly find: (deps: ApiDeps, body: unknown) => Promise<Operator | null>;
};
const findByEmail: Signing['find'] = async ({ pool }, body) =>
  (await findOperatorByEmail(pool, textIn(body, 'email')))?.operator ?? null;
const findBySession: Signing['find'] = ({ pool }, body) =>
  findOperatorOfSession(pool, textIn(body, 'refresh_token'));

/** Operations that nobody is let in to, and that operators are known after. */
const SIGNING: Readonly<Record<string, Signing>> = {
  signIn: { statuses: [201, 401], find: findByEmail },
  changePassword: { statuses: [201, 401], find: findByEmail },
  // Each session is renewed all day; only a token that is no longer good tells something.
  refreshSession: { statuses: [401], find: findBySession },
  signOut: { statuses: [204], find: findBySession },
};

/** Without the row no session is handed out. */
async function runSigning(
  deps: ApiDeps,
  operation: Operation,
  incoming: Incoming,
  { statuses, find }: Signing,
): Promise<Reply> {
  const keep = async (status: number) => {
    if (!statuses.includes(status)) return;
    const found = await find(deps, incoming.body);
    const typed = textIn(incoming.body, 'email');
    if (found === null && typed === '') return;
    // What was typed may be anything, a password too.
    const email = status === 401 && typed !== '' ? maskEmail(typed) : (found?.email ?? '');
    const who = { operatorId: found?.id ?? 'nobody', email, role: found?.role ?? null };
    await insertAct(deps.pool, describeAct(operation, incoming, who, ''), status);
  };
  const reply = await operation.run(deps, incoming).catch(async (error: unknown) => {
    await keep(statusOf(error));
    throw error;
  });
  await keep(reply.status);
  return reply;
}

/**
 * Fields of a query that name one person. Whoever asks by them has the phone or the address
 * already, and is told where that person pays: the question is kept. Of what was typed, which may
 * be of any form, so little is kept that it can be recognised and not be read.
 */
const PERSON: Readonly<Record<string, (text: string) => string>> = {
  phone: (text) => `•••${text.slice(-3)}`,
  email: maskEmail,
};

function maskPersons(query: unknown): unknown {
  if (typeof query !== 'object' || query === null) return query;
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => [name, PERSON[name]?.(String(value)) ?? value]),
  );
}

function isKept({ method, audited }: Operation, { query }: Pick<Arrived, 'query'>): boolean {
  return method !== 'get' || audited === true || Object.keys(PERSON).some((it) => has(query, it));
}

function has(query: unknown, name: string): boolean {
  return typeof query === 'object' && query !== null && Object.hasOwn(query, name);
}

function statusOf(error: unknown): number {
  return PROBLEMS[toProblem(error).code].status;
}

function describeAct(
  operation: Operation,
  { params, requestId, remoteAddress, headers }: Arrived,
  {
    operatorId,
    email,
    role,
  }: Pick<OperatorCaller, 'operatorId' | 'email'> & Pick<OperatorActivity, 'role'>,
  requestSummary: string,
): OperatorActivity {
  const named = Object.entries(params).map(
    ([name, value = '']) => [name, cleanText(value, PARAM_LENGTH_MAX)] as const,
  );
  const agent = headers['user-agent'];
  return {
    operatorId,
    email,
    role,
    action: operation.id,
    target: named[0]?.[1] ?? null,
    details: { ...Object.fromEntries(named), request_summary: requestSummary },
    requestId,
    remoteAddress,
    userAgent: typeof agent === 'string' ? cleanText(agent, 300) : null,
  };
}

/** Of what was asked: secrets, and ids that hold a part of the payer's phone (ADR 0003). */
const UNTOLD = /password|credentials|secret|token|provider_payment_id/i;

/** The body or query of a request, in short; secrets are named and not told. */
export function describeRequest(given: unknown): string {
  if (given === undefined || given === null) return '';
  const text = JSON.stringify(given, (key, value: unknown) => (UNTOLD.test(key) ? '••••' : value));
  return cleanText(text, ASKED_LENGTH_MAX);
}

/** As it may be kept and shown. Cut first: half a pair of surrogates is none of PostgreSQL's. */
export function cleanText(text: string, lengthMax: number): string {
  return text
    .slice(0, lengthMax)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, ' ');
}

/** A field of a body that the operation may still refuse. */
function textIn(body: unknown, name: string): string {
  if (typeof body !== 'object' || body === null) return '';
  const value: unknown = Reflect.get(body, name);
  return typeof value === 'string' ? value : '';
}
