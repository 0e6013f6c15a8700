import { request } from 'undici';
import { type CallbackChanges, callbackBody } from './answers.ts';
import type { Book, Prompt } from './book.ts';
import { makeCheckoutRequestId, makeMerchantRequestId, makeReceipt } from './ids.ts';
import { ANSWERS, type Answer, type Rule, ruleFor } from './rules.ts';
import type { Settings } from './settings.ts';

export type PromptRequest = Pick<
  Prompt,
  'phone' | 'amount' | 'account_reference' | 'callback_url' | 'short_code'
>;

/** The phones of all payers: prompts ring, are answered or lapse, and the callback goes out. */
export type Phones = {
  isRinging(phone: string): boolean;
  /** Rings the phone. With an early callback, this waits until the callback was sent. */
  ring(request: PromptRequest): Promise<Prompt>;
  /** False when it was answered before. */
  answer(prompt: Prompt, answer: Answer): Promise<boolean>;
  /** Charges after another result and says so by a callback. */
  succeedLate(prompt: Prompt): Promise<number>;
  sendCallback(prompt: Prompt, changes?: CallbackChanges, raw?: string): Promise<number>;
  close(): Promise<void>;
};

const CALLBACK_TIMEOUT_MS = 30_000;

export function openPhones(book: Book, settings: Settings): Phones {
  const timers = new Set<NodeJS.Timeout>();
  const sending = new Set<Promise<unknown>>();
  const later = (delayMs: number, task: () => Promise<unknown>) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      const run = task().finally(() => sending.delete(run));
      sending.add(run);
    }, delayMs);
    timers.add(timer);
  };

  const sendCallback: Phones['sendCallback'] = async (prompt, changes, raw) => {
    const receipt = book.charges.findLast(
      (charge) => charge.checkout_request_id === prompt.checkout_request_id,
    )?.receipt;
    const body = callbackBody(prompt, receipt ?? null, settings.masked_phone, changes);
    const status = await post(prompt, raw ?? JSON.stringify(body));
    const { checkout_request_id } = prompt;
    const at = new Date().toISOString();
    book.write({
      kind: 'callback',
      callback: { checkout_request_id, status, at, body: raw ?? body },
    });
    return status;
  };

  const finish = (prompt: Prompt, code: string) => {
    const { checkout_request_id, phone, amount, account_reference } = prompt;
    const at = new Date().toISOString();
    if (code === '0') {
      const receipt = makeReceipt(Date.now());
      const charge = { checkout_request_id, receipt, phone, amount, account_reference, at };
      book.write({ kind: 'charge', charge });
    }
    book.write({ kind: 'answer', id: checkout_request_id, code, at });
  };

  const settle = (prompt: Prompt, code: string, rule: Rule | null) => {
    if (prompt.state === 'answered') return;
    finish(prompt, code);
    if (settings.callback === 'never' || rule?.callback === 'never') return;
    const times = Math.max(settings.duplicates, rule?.duplicates ?? 1);
    for (let i = 0; i < times; i += 1)
      later(settings.callback_delay_ms, () => sendCallback(prompt));
  };

  const schedule = (prompt: Prompt, rule: Rule) => {
    if (settings.answer_mode === 'auto' && rule.answer !== 'ignore') {
      const code = ANSWERS[rule.answer];
      later(settings.answer_delay_ms, async () => settle(prompt, code, rule));
    }
    later(settings.prompt_lifetime_ms, async () => settle(prompt, ANSWERS.unreachable, null));
  };
  for (const prompt of book.prompts.values()) {
    if (prompt.state === 'ringing') schedule(prompt, ruleFor(prompt.phone));
  }

  return {
    isRinging: (phone) =>
      [...book.prompts.values()].some((it) => it.phone === phone && it.state === 'ringing'),
    sendCallback,
    async ring(wanted) {
      const nowMs = Date.now();
      const id = makeCheckoutRequestId(wanted.phone, nowMs);
      const draft: Prompt = {
        checkout_request_id: id,
        merchant_request_id: makeMerchantRequestId(),
        ...wanted,
        created_at: new Date(nowMs).toISOString(),
        state: 'ringing',
        result_code: null,
        answered_at: null,
      };
      book.write({ kind: 'prompt', prompt: draft });
      const prompt = book.prompts.get(id) ?? draft;
      const rule = ruleFor(prompt.phone);
      const isAuto = settings.answer_mode === 'auto';
      const isEarly = settings.callback === 'early' || rule.callback === 'early';
      if (isAuto && isEarly && rule.answer !== 'ignore') {
        finish(prompt, ANSWERS[rule.answer]);
        await sendCallback(prompt);
      } else schedule(prompt, rule);
      return prompt;
    },
    async answer(prompt, answer) {
      if (prompt.state === 'answered') return false;
      if (answer !== 'ignore') settle(prompt, ANSWERS[answer], null);
      return true;
    },
    succeedLate(prompt) {
      finish(prompt, '0');
      return sendCallback(prompt);
    },
    async close() {
      for (const timer of timers) clearTimeout(timer);
      await Promise.allSettled(sending);
    },
  };
}

/** One try, as Daraja makes; 0 when nobody could be reached. */
async function post(prompt: Prompt, body: string): Promise<number> {
  try {
    const answer = await request(prompt.callback_url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json;charset=UTF-8',
        businessshortcode: prompt.short_code,
      },
      body,
      headersTimeout: CALLBACK_TIMEOUT_MS,
      reset: true,
    });
    await answer.body.dump();
    return answer.statusCode;
  } catch {
    return 0;
  }
}
