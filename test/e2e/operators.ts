import type { Answer, Stack } from './stack.ts';

export type AsOperator = (method: string, path: string, body?: object) => Promise<Answer>;

/** Signs in as the sandbox's operator. */
export async function openOperatorIn(stack: Stack): Promise<AsOperator> {
  const { api_url, operator } = stack.world.details();
  const ask = async (method: string, path: string, body?: object, token?: string) => {
    const answer = await fetch(`${api_url}/api/v1/${path}`, {
      method,
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return {
      status: answer.status,
      headers: answer.headers,
      body: JSON.parse(await answer.text()),
    };
  };
  const session = await ask('POST', 'sessions', operator);
  return (method, path, body) => ask(method, path, body, String(session.body.access_token));
}
