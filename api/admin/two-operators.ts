import { z } from 'zod';
import type { Connection } from '../../db/pool.ts';
import { DONE, KNOWN_DAYS, KNOWN_HOURS, OPEN_HOURS, propose } from '../../db/proposals.ts';
import type { Scope } from '../../domain/access.ts';
import type { Currency } from '../../domain/money.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import type { Reply } from '../operation.ts';
import { fingerprintOf } from '../payments/fingerprint.ts';
import { exampleId, idOf, objectOf, stringOf, time } from '../response.ts';

/** When one operator is not enough. */
type Second = 'never' | 'always' | 'for_money_scopes' | 'from_amount';
type Action = {
  readonly second: Second;
  /** Every admin is told of it: a line of the log, a metric, and the list of sensitive acts. */
  readonly isSensitive: boolean;
};

/**
 * All that operators can do, by the operation's id. What makes something new that moves money, or
 * the right to, takes two: an account, a key, the outcome of a payment. Switching off takes one,
 * and so does switching on again what two had agreed on: an outage does not wait for a second.
 */
export const OPERATOR_ACTIONS = {
  // table
  adminDecidePayment: { second: 'from_amount', isSensitive: true },
  adminDecideRefund: { second: 'from_amount', isSensitive: true },
  adminCreateApiKey: { second: 'for_money_scopes', isSensitive: true },
  adminPutProviderConfig: { second: 'always', isSensitive: true },
  adminPatchProviderConfig: { second: 'never', isSensitive: true },
  adminRevokeApiKey: { second: 'never', isSensitive: true },
  // Moves no money: it tells what was done in the provider's portal.
  adminResolveUnmatchedReceipt: { second: 'never', isSensitive: true },
  // Moves no money by itself: the payment's table judges a callback anew.
  adminReplayWebhookEvent: { second: 'never', isSensitive: true },
  adminResolveWebhookEvent: { second: 'never', isSensitive: true },
  // A new operator, or one whose password another set, is no second of who did it.
  adminCreateOperator: { second: 'never', isSensitive: true },
  adminUpdateOperator: { second: 'never', isSensitive: true },
  adminUpdateMerchant: { second: 'never', isSensitive: true },
  adminStartBatch: { second: 'never', isSensitive: true },
  adminCreateMerchant: { second: 'never', isSensitive: false },
  adminVerifyPayment: { second: 'never', isSensitive: false },
  adminResendDelivery: { second: 'never', isSensitive: false },
} as const satisfies Readonly<Record<string, Action>>;
export type OperatorAction = keyof typeof OPERATOR_ACTIONS;

function isOperatorAction(id: string): id is OperatorAction {
  return Object.hasOwn(OPERATOR_ACTIONS, id);
}
export function isSensitive(id: string): boolean {
  return isOperatorAction(id) && OPERATOR_ACTIONS[id].isSensitive;
}
export const SENSITIVE_ACTIONS: readonly string[] =
  Object.keys(OPERATOR_ACTIONS).filter(isSensitive);

/**
 * With these a key gives money away, or says whose account payers pay to. No key makes another with
 * a scope that it lacks, so one without them never leads to one of these.
 */
export const MONEY_SCOPES: readonly Scope[] = ['refunds:write', 'provider_configs:write'];

type About = {
  readonly scopes?: readonly Scope[];
  readonly amountMinor?: number;
  readonly currency?: Currency;
};
type Policies = Pick<ApiDeps, 'policies'>['policies'];
const NEEDS: Readonly<Record<Second, (about: About, policies: Policies) => boolean>> = {
  never: () => false,
  always: () => true,
  for_money_scopes: ({ scopes = [] }) => scopes.some((scope) => MONEY_SCOPES.includes(scope)),
  from_amount({ amountMinor = 0, currency }, { api: { two_operators_from_minor: from } }) {
    return amountMinor >= ((currency && from[currency]) ?? from.default);
  },
};

/** Whether an action takes two operators, by the table above and the policies in force. */
export function needsSecond(policies: Policies, action: OperatorAction, about: About): boolean {
  return policies.api.two_operators && NEEDS[OPERATOR_ACTIONS[action].second](about, policies);
}

/** The rule of `db/proposals.ts` in a sentence, for all who set a password or need a second. */
export const WHO_KNOWS_A_PASSWORD = `Who ever set an operator’s password counts as knowing it until the operator sets its own, and then for ${KNOWN_HOURS} hours more, or ${KNOWN_DAYS} days where the payment, refund or merchant that it is about is older than that password; what \`npm run admin\` set counts as known to everybody.`;

const STATUS = 'awaiting_second_operator';
export const proposalResponse = z
  .strictObject({
    id: idOf('decision'),
    object: objectOf('proposal'),
    action: stringOf('The operation, by its id in this reference', 'adminDecidePayment'),
    subject_id: stringOf('What it is about: a payment, a merchant …', exampleId('payment')),
    status: z.literal(STATUS).describe('Where it stands: it waits for another operator'),
    proposed_by: stringOf('The id of the operator who asked first', exampleId('operator')),
    request_summary: z
      .record(z.string(), z.unknown())
      .meta({ description: 'What was asked, without secrets', example: { name: 'Web shop' } }),
    next_step: stringOf(
      'What has to happen now',
      'another operator sends the same request before expires_at',
    ),
    created_at: time.describe('When it was asked first, in UTC'),
    expires_at: time.describe('Until when another operator may agree, in UTC'),
  })
  .meta({ id: 'Proposal' });
export const awaitingSecond = {
  description: 'A second admin is needed: it waits a day for the same request of another',
  schema: proposalResponse,
};

const NEXT_STEP =
  'another operator sends the same request before expires_at; a deployment with one operator sets api.two_operators to false in its policies';

/** @param proposal.createdAt its time to live begins with it. */
export function presentProposal(proposal: {
  readonly id: string;
  readonly action: string;
  readonly subjectId: string;
  readonly operatorId: string;
  readonly summary: Readonly<Record<string, unknown>>;
  readonly createdAt: string;
}): z.input<typeof proposalResponse> {
  const expiresMs = Date.parse(proposal.createdAt) + OPEN_HOURS * 3_600_000;
  return {
    id: proposal.id,
    object: 'proposal',
    action: proposal.action,
    subject_id: proposal.subjectId,
    status: STATUS,
    proposed_by: proposal.operatorId,
    request_summary: proposal.summary,
    next_step: NEXT_STEP,
    created_at: proposal.createdAt,
    expires_at: new Date(expiresMs).toISOString(),
  };
}

/**
 * Does what an operator asks for, once as many operators stand behind it as it takes. The agreement
 * and what comes of it are one transaction: neither is there without the other, and neither twice.
 * @param request all that was asked, also secrets: only its keyed hash is stored, so the second
 * operator has to send the same.
 * @throws ApiError forbidden where one person may be both operators, already_agreed.
 */
export async function withSecond(
  { pool, vault, policies }: Pick<ApiDeps, 'pool' | 'vault' | 'policies'>,
  operatorId: string,
  asked: {
    readonly action: OperatorAction;
    readonly about: About;
    readonly subjectId: string;
    readonly madeAt: string;
    /** As {@link propose} has it; left out where asking again may not do it again. */
    readonly changedAt?: string;
    readonly request: unknown;
    readonly summary: Readonly<Record<string, unknown>>;
  },
  carryOut: (db: Connection) => Promise<Reply>,
): Promise<Reply> {
  const { action, about, request, ...proposal } = asked;
  if (!needsSecond(policies, action, about)) return await carryOut(pool);
  const fingerprint = fingerprintOf(vault, [action, asked.subjectId, request]);
  return await pool.transaction(async (tx) => {
    const standing = await propose(tx, {
      changedAt: DONE,
      ...proposal,
      action,
      fingerprint,
      decision: null,
      reason: '',
      operatorId,
      needsTwo: true,
    });
    if (standing.kind === 'not_independent') throw notIndependent('forbidden');
    if (standing.kind === 'already_done') throw new ApiError('already_agreed', ALREADY_DONE);
    if (standing.kind === 'agreed') return await carryOut(tx);
    const { summary, subjectId } = asked;
    const body = { action, subjectId, operatorId, summary, ...standing.waiting };
    return { status: 202, body: presentProposal(body) };
  });
}

const ALREADY_DONE =
  'two operators agreed on the very same within a day, and it was done: see what is there, or ask for something that differs, such as by its name';

export function notIndependent(code: 'forbidden' | 'invalid_decision'): ApiError {
  const detail =
    'one person may be both of you, by a password that was set for one or by an account here beside one at the issuer of tokens: it takes somebody else';
  return new ApiError(code, detail);
}
