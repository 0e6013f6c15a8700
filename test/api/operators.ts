import { scryptSync } from 'node:crypto';
import { insertOperator, type Operator, openSession } from '../../db/operators.ts';
import type { Role } from '../../domain/access.ts';
import type { Send, TestApi } from './server.ts';

export const PASSWORD = 'a long enough password';
/** What is hashed at this cost is checked at it too, and tests sign in often. */
export const PASSWORD_HASH = hashCheaply(PASSWORD);

function hashCheaply(password: string): string {
  const salt = Buffer.alloc(16);
  const hash = scryptSync(password, salt, 32, { N: 2 ** 4, r: 8, p: 1 });
  const bare = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '');
  return `$scrypt$ln=4,r=8,p=1$${bare(salt)}$${bare(hash)}`;
}

/** Makes an operator of this role; all have one password. */
export async function enrollOperator(
  { pool }: Pick<TestApi, 'pool'>,
  role: Role,
  email = `${role}@example.test`,
) {
  const operator = await insertOperator(pool, {
    email,
    name: role,
    role,
    password: { hash: PASSWORD_HASH, setBy: null },
  });
  if (operator === null) throw new Error(`${email} was taken`);
  return operator;
}

/** An access token of a session that is open, without the time that a password takes. */
export async function issueToken(
  { pool, accessTokens }: Pick<TestApi, 'pool' | 'accessTokens'>,
  operator: Operator,
  passwordHash = PASSWORD_HASH,
): Promise<string> {
  const session = await openSession(pool, operator.id, passwordHash);
  if (session === null) throw new Error('the password was not taken');
  return await accessTokens.issue(operator, session.sessionId);
}

/** The same, signed in: sends with the access token. */
export async function openOperator(
  api: Pick<TestApi, 'pool' | 'send' | 'accessTokens'>,
  role: Role,
  email?: string,
): Promise<{ readonly id: string; readonly token: string; readonly send: Send }> {
  const operator = await enrollOperator(api, role, email);
  const token = await issueToken(api, operator);
  const send: Send = (method, path, { headers, ...sending } = {}) =>
    api.send(method, path, {
      ...sending,
      headers: { authorization: `Bearer ${token}`, ...headers },
    });
  return { id: operator.id, token, send };
}
