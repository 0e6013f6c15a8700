import { Agent, request } from 'undici';
import { type CallbackChanges, callbackBody } from './answers.ts';
import { amount, countFrom, isRecord, readFields, text } from './fields.ts';
import { forgeToken } from './ids.ts';
import { findCharge, type Ledger, type Prompt } from './ledger.ts';
import type { Settings } from './settings.ts';

export type Callbacks = {
  /** What the receiver answered; 0 when it could not be reached. */
  send(prompt: Prompt, changes?: CallbackChanges, raw?: string): Promise<number>;
  /** Cuts off whoever has not answered yet. */
  close(): Promise<void>;
};

const CHANGE_FIELDS = {
  amount,
  result_code: { takes: 'a text or a number', accepts: isCode },
  checkout_request_id: text,
  receipt: text,
  /** In place of the whole body. */
  raw: text,
} as const;
const ORDER_FIELDS = {
  times: countFrom(1),
  mutate: { takes: 'an object', accepts: isRecord },
} as const;

function isCode(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}

/** @throws RangeError saying what is wrong with the order. */
export function readCallbackOrder(order: Readonly<Record<string, unknown>>) {
  const { times = 1, mutate = {} } = readFields(ORDER_FIELDS, order);
  const { raw, ...changes } = readFields(CHANGE_FIELDS, mutate);
  return { times, raw, changes };
}

const CALLBACK_TIMEOUT_MS = 30_000;

export function openCallbacks(ledger: Ledger, settings: Settings): Callbacks {
  const agent = new Agent({
    headersTimeout: CALLBACK_TIMEOUT_MS,
    bodyTimeout: CALLBACK_TIMEOUT_MS,
  });
  const sending = new Set<Promise<number>>();
  const deliver = async (prompt: Prompt, changes?: CallbackChanges, raw?: string) => {
    const { checkout_request_id } = prompt;
    const receipt = findCharge(ledger, prompt)?.receipt ?? null;
    const body = callbackBody(prompt, receipt, settings.masked_phone, changes);
    const status = await post(agent, addressed(prompt, settings), raw ?? JSON.stringify(body));
    const at = new Date().toISOString();
    const callback = { checkout_request_id, status, at, body: raw ?? body };
    ledger.write({ kind: 'callback', callback });
    return status;
  };
  return {
    send(prompt, changes, raw) {
      // The ledger may be another simulator's by now.
      if (agent.closed || agent.destroyed) return Promise.resolve(0);
      const run = deliver(prompt, changes, raw).finally(() => sending.delete(run));
      sending.add(run);
      return run;
    },
    async close() {
      await agent.destroy();
      await Promise.allSettled(sending);
    },
  };
}

function addressed(prompt: Prompt, { callback }: Settings): Prompt {
  const { callback_url } = prompt;
  return callback === 'forged' ? { ...prompt, callback_url: forgeToken(callback_url) } : prompt;
}

/** One try, as Daraja makes; 0 when nobody could be reached. */
async function post(agent: Agent, prompt: Prompt, body: string): Promise<number> {
  try {
    const answer = await request(prompt.callback_url, {
      dispatcher: agent,
      method: 'POST',
      headers: {
        'content-type': 'application/json;charset=UTF-8',
        businessshortcode: prompt.short_code,
      },
      body,
      reset: true,
    });
    await answer.body.dump();
    return answer.statusCode;
  } catch {
    return 0;
  }
}
