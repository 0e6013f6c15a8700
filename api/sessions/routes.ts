import { z } from 'zod';
import {
  endSession,
  findOperatorByEmail,
  type Operator,
  openSession,
  renewSession,
  type SessionTokens,
  updateOperator,
} from '../../db/operators.ts';
import { hashPassword, isPassword } from '../../db/password.ts';
import { ROLES } from '../../domain/access.ts';
import { WHO_KNOWS_A_PASSWORD } from '../admin/two-operators.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError, faulty } from '../errors.ts';
import { requireRate } from '../middleware/rate-limit.ts';
import { declare, type Operation } from '../operation.ts';
import { idOf, objectOf, stringOf } from '../response.ts';
import { newPassword } from '../schema.ts';
import { ACCESS_TOKEN_SECONDS } from './token.ts';

const tag = 'Signing in';
const access = { kind: 'open' } as const;
const refreshToken = z
  .string()
  .max(200)
  .describe('The newest refresh token of the session, 200 characters at most');
const signInBody = z
  .strictObject({
    email: z.email().max(254).describe('Your e-mail address, 254 characters at most'),
    password: z.string().max(200).describe('Your password, 200 characters at most'),
  })
  .meta({ example: { email: 'you@example.com', password: 'your pass phrase' } });
const refreshBody = z
  .strictObject({ refresh_token: refreshToken })
  .meta({ example: { refresh_token: 'rt_…' } });
const sessionResponse = z
  .strictObject({
    object: objectOf('session'),
    access_token: stringOf('Send it as `Authorization: Bearer …`', 'eyJhbGciOiJIUzI1NiIs…'),
    token_type: z.literal('Bearer').describe('How it is sent: always `Bearer`'),
    expires_in: z.int().meta({ description: 'Seconds', example: 900 }),
    refresh_token: stringOf('Good once, for the next session', 'rt_…'),
    operator: z
      .strictObject({
        id: idOf('operator'),
        email: stringOf('The operator’s e-mail address', 'you@example.com'),
        role: z.enum(ROLES).meta({
          description: 'What the operator may do; each role includes those before',
          example: 'operator',
        }),
      })
      .meta({ id: 'SessionOperator' })
      .describe('Who is signed in'),
  })
  .meta({ id: 'Session' });
const answers = { 201: { description: 'The tokens', schema: sessionResponse } };

/** How operators come to an access token. */
export const sessionOperations: readonly Operation[] = [
  declare({
    id: 'signIn',
    method: 'post',
    path: '/api/v1/sessions',
    tag,
    summary: 'Sign in as an operator',
    access,
    limit: 'sign_in',
    body: signInBody,
    answers,
    problems: ['sign_in_refused'],
    async handle(deps, { body: { email, password } }) {
      const { operator, passwordHash } = await requirePassword(deps, email, password);
      return { status: 201, body: await startSession(deps, operator, passwordHash) };
    },
  }),
  declare({
    id: 'changePassword',
    method: 'post',
    path: '/api/v1/sessions/password',
    tag,
    summary: 'Change your own password',
    description: `All sessions and access tokens of before end. ${WHO_KNOWS_A_PASSWORD}`,
    access,
    limit: 'sign_in',
    body: signInBody.extend({ new_password: newPassword }).meta({
      example: {
        email: 'you@example.com',
        password: 'your pass phrase',
        new_password: 'another pass phrase',
      },
    }),
    answers,
    problems: ['sign_in_refused'],
    async handle(deps, { body: { email, password, new_password } }) {
      const { operator, passwordHash: knownHash } = await requirePassword(deps, email, password);
      // By the hash: letters that are the same to Unicode's NFKC open the same door.
      if (await isPassword(new_password, knownHash)) {
        const detail = 'is the old one';
        throw faulty('invalid_request', [{ pointer: '/new_password', detail }]);
      }
      const hash = await hashPassword(new_password);
      const changes = { password: { hash, setBy: null }, knownHash };
      const changed = await updateOperator(deps.pool, operator.id, changes);
      if (changed === null) throw refuseSignIn();
      return { status: 201, body: await startSession(deps, changed, hash) };
    },
  }),
  declare({
    id: 'refreshSession',
    method: 'post',
    path: '/api/v1/sessions/refresh',
    tag,
    summary: 'Take a refresh token for new tokens',
    description:
      'Each is good once. One that comes a second time ends the whole session at once, its access tokens too.',
    access,
    limit: 'sign_in',
    body: refreshBody,
    answers,
    problems: ['sign_in_refused'],
    async handle(deps, { body }) {
      const renewed = await renewSession(deps.pool, body.refresh_token);
      if (renewed === null) {
        throw new ApiError('sign_in_refused', 'this refresh token is no longer good: sign in');
      }
      return { status: 201, body: await presentSession(deps, renewed.operator, renewed) };
    },
  }),
  declare({
    id: 'signOut',
    method: 'post',
    path: '/api/v1/sessions/end',
    tag,
    summary: 'End a session',
    description:
      'Its refresh tokens and its access tokens open nothing any more, from this moment on.',
    access,
    limit: 'sign_in',
    body: refreshBody,
    answers: { 204: { description: 'It has ended' } },
    async handle({ pool }, { body }) {
      await endSession(pool, body.refresh_token);
      return { status: 204, body: null };
    },
  }),
];

/** @throws ApiError sign_in_refused, rate_limited. */
async function requirePassword(deps: ApiDeps, email: string, password: string) {
  await refuseGuessing(deps, email);
  const found = await findOperatorByEmail(deps.pool, email);
  if (!(await isPassword(password, found?.passwordHash ?? null)) || found === null) {
    throw refuseSignIn();
  }
  return found;
}

function refuseSignIn(): ApiError {
  return new ApiError('sign_in_refused', 'the e-mail address or the password is wrong');
}

/**
 * One place has few tries, whatever accounts it tries: `sign_in` counts by address. Here all places
 * together are counted for one account, loosely: who guesses must hardly be able to lock it out.
 * The e-mail address is kept as a hash.
 */
async function refuseGuessing(deps: ApiDeps, email: string): Promise<void> {
  const subject = deps.vault.hash('sign-in', email.toLowerCase()).toString('hex').slice(0, 32);
  await requireRate(deps, 'sign_in_email', subject);
}

/** @throws ApiError sign_in_refused: another has set the password since it was checked. */
async function startSession(deps: ApiDeps, operator: Operator, knownHash: string) {
  const tokens = await openSession(deps.pool, operator.id, knownHash);
  if (tokens === null) throw refuseSignIn();
  return await presentSession(deps, operator, tokens);
}

async function presentSession(
  { accessTokens }: ApiDeps,
  operator: Operator,
  { sessionId, refreshToken: refresh_token }: SessionTokens,
): Promise<z.input<typeof sessionResponse>> {
  const { id, email, role } = operator;
  return {
    object: 'session',
    access_token: await accessTokens.issue(operator, sessionId),
    token_type: 'Bearer',
    expires_in: ACCESS_TOKEN_SECONDS,
    refresh_token,
    operator: { id, email, role },
  };
}
