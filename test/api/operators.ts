import { insertOperator } from '../../db/operators.ts';
import { hashPassword } from '../../db/password.ts';
import type { Role } from '../../domain/access.ts';
import type { Send, TestApi } from './server.ts';

export const PASSWORD = 'a long enough password';
let passwordHash: Promise<string> | null = null;

/** Makes an operator of this role; hashing takes long, so all have one password. */
export async function enrollOperator(
  { pool }: Pick<TestApi, 'pool'>,
  role: Role,
  email = `${role}@example.test`,
) {
  passwordHash ??= hashPassword(PASSWORD);
  const operator = await insertOperator(pool, {
    email,
    name: role,
    role,
    passwordHash: await passwordHash,
  });
  if (operator === null) throw new Error(`${email} was taken`);
  return operator;
}

/** The same, signed in: sends with the access token. */
export async function openOperator(
  api: Pick<TestApi, 'pool' | 'send' | 'accessTokens'>,
  role: Role,
): Promise<{ readonly id: string; readonly token: string; readonly send: Send }> {
  const operator = await enrollOperator(api, role);
  const token = await api.accessTokens.issue(operator);
  const send: Send = (method, path, { headers, ...sending } = {}) =>
    api.send(method, path, {
      ...sending,
      headers: { authorization: `Bearer ${token}`, ...headers },
    });
  return { id: operator.id, token, send };
}
