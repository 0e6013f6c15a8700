import { request } from 'undici';
import { type CallbackChanges, callbackBody } from './answers.ts';
import type { Book, Charge, Prompt } from './book.ts';
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
  const line = openLine(book, settings);
  for (const prompt of book.prompts.values()) {
    if (prompt.state === 'answered') continue;
    // A kill may have come between the charge and the answer: then it was approved.
    if (findCharge(book, prompt) !== undefined) settle(line, prompt, ANSWERS.approve, null);
    else schedule(line, prompt, ruleFor(prompt.phone));
  }
  return {
    isRinging: (phone) =>
      [...book.prompts.values()].some((it) => it.phone === phone && it.state === 'ringing'),
    sendCallback: (prompt, changes, raw) => sendCallback(line, prompt, changes, raw),
    ring: (wanted) => ring(line, wanted),
    async answer(prompt, answer) {
      if (prompt.state === 'answered') return false;
      if (answer !== 'ignore') settle(line, prompt, ANSWERS[answer], null);
      return true;
    },
    succeedLate(prompt) {
      finish(line, prompt, '0');
      return sendCallback(line, prompt);
    },
    close: line.close,
  };
}

type Line = {
  readonly book: Book;
  readonly settings: Settings;
  readonly later: (delayMs: number, task: () => Promise<unknown>) => void;
  readonly close: () => Promise<void>;
};

/** The book, the settings, and all that is still to happen. */
function openLine(book: Book, settings: Settings): Line {
  const timers = new Set<NodeJS.Timeout>();
  const sending = new Set<Promise<unknown>>();
  return {
    book,
    settings,
    later(delayMs, task) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        const run = task().finally(() => sending.delete(run));
        sending.add(run);
      }, delayMs);
      timers.add(timer);
    },
    async close() {
      for (const timer of timers) clearTimeout(timer);
      await Promise.allSettled(sending);
    },
  };
}

async function sendCallback(
  { book, settings }: Line,
  prompt: Prompt,
  changes?: CallbackChanges,
  raw?: string,
): Promise<number> {
  const { checkout_request_id } = prompt;
  const charge = findCharge(book, prompt);
  const body = callbackBody(prompt, charge?.receipt ?? null, settings.masked_phone, changes);
  const status = await post(prompt, raw ?? JSON.stringify(body));
  const at = new Date().toISOString();
  book.write({
    kind: 'callback',
    callback: { checkout_request_id, status, at, body: raw ?? body },
  });
  return status;
}

function findCharge(book: Book, { checkout_request_id }: Prompt): Charge | undefined {
  return book.charges.find((it) => it.checkout_request_id === checkout_request_id);
}

/** One prompt is charged once at most, also when it is said twice. */
function finish({ book }: Line, prompt: Prompt, code: string): void {
  const { checkout_request_id, phone, amount, account_reference } = prompt;
  const at = new Date().toISOString();
  if (code === '0' && findCharge(book, prompt) === undefined) {
    const receipt = makeReceipt(Date.now());
    const charge = { checkout_request_id, receipt, phone, amount, account_reference, at };
    book.write({ kind: 'charge', charge });
  }
  book.write({ kind: 'answer', id: checkout_request_id, code, at });
}

function settle(line: Line, prompt: Prompt, code: string, rule: Rule | null): void {
  const { settings } = line;
  if (prompt.state === 'answered') return;
  finish(line, prompt, code);
  if (settings.callback === 'never' || rule?.callback === 'never') return;
  const times = Math.max(settings.duplicates, rule?.duplicates ?? 1);
  for (let i = 0; i < times; i += 1) {
    line.later(settings.callback_delay_ms, () => sendCallback(line, prompt));
  }
}

function schedule(line: Line, prompt: Prompt, rule: Rule): void {
  const { settings } = line;
  if (settings.answer_mode === 'auto' && rule.answer !== 'ignore') {
    const code = ANSWERS[rule.answer];
    line.later(settings.answer_delay_ms, async () => settle(line, prompt, code, rule));
  }
  const lifetimeMs = settings.prompt_lifetime_ms;
  line.later(lifetimeMs, async () => settle(line, prompt, ANSWERS.unreachable, null));
}

async function ring(line: Line, wanted: PromptRequest): Promise<Prompt> {
  const { book, settings } = line;
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
  const isEarly = settings.callback === 'early' || rule.callback === 'early';
  if (settings.answer_mode === 'auto' && isEarly && rule.answer !== 'ignore') {
    finish(line, prompt, ANSWERS[rule.answer]);
    await sendCallback(line, prompt);
  } else schedule(line, prompt, rule);
  return prompt;
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
