import type { CallbackChanges } from './answers.ts';
import { type Callbacks, openCallbacks } from './callbacks.ts';
import { makeCheckoutRequestId, makeMerchantRequestId, makeReceipt } from './ids.ts';
import { findCharge, type Ledger, type Prompt } from './ledger.ts';
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
  /** Charges after another result and says so by a callback; null when none is sent. */
  succeedLate(prompt: Prompt): Promise<number | null>;
  sendCallback(prompt: Prompt, changes?: CallbackChanges, raw?: string): Promise<number>;
  close(): Promise<void>;
};

export function openPhones(ledger: Ledger, settings: Settings): Phones {
  const line = openLine(ledger, settings);
  for (const prompt of ledger.prompts.values()) {
    if (prompt.state === 'answered') continue;
    // A kill may have come between the charge and the answer: then it was approved.
    if (findCharge(ledger, prompt) !== undefined) settle(line, prompt, ANSWERS.approve, null);
    else schedule(line, prompt, ruleFor(prompt.phone));
  }
  return {
    isRinging: (phone) =>
      [...ledger.prompts.values()].some((it) => it.phone === phone && it.state === 'ringing'),
    sendCallback: (prompt, changes, raw) => line.callbacks.send(prompt, changes, raw),
    ring: (wanted) => ring(line, wanted),
    async answer(prompt, answer) {
      if (prompt.state === 'answered') return false;
      if (answer === 'ignore') ledger.write({ kind: 'ignore', id: prompt.checkout_request_id });
      else settle(line, prompt, ANSWERS[answer], null);
      return true;
    },
    async succeedLate(prompt) {
      finish(line, prompt, '0');
      return settings.callback === 'never' ? null : await line.callbacks.send(prompt);
    },
    close: line.close,
  };
}

type Line = {
  readonly ledger: Ledger;
  readonly settings: Settings;
  readonly callbacks: Callbacks;
  readonly later: (delayMs: number, task: () => void) => void;
  readonly close: () => Promise<void>;
};

/** The ledger, the settings, and all that is still to happen. */
function openLine(ledger: Ledger, settings: Settings): Line {
  const timers = new Set<NodeJS.Timeout>();
  const callbacks = openCallbacks(ledger, settings);
  let isClosed = false;
  return {
    ledger,
    settings,
    callbacks,
    later(delayMs, task) {
      if (isClosed) return;
      const timer = setTimeout(() => {
        timers.delete(timer);
        task();
      }, delayMs);
      timers.add(timer);
    },
    async close() {
      isClosed = true;
      for (const timer of timers) clearTimeout(timer);
      await callbacks.close();
    },
  };
}

/** One prompt is charged once at most, also when it is said twice. */
function finish({ ledger }: Line, prompt: Prompt, code: string): void {
  const { checkout_request_id, phone, amount, account_reference } = prompt;
  const at = new Date().toISOString();
  if (code === '0' && findCharge(ledger, prompt) === undefined) {
    const receipt = makeReceipt(Date.now());
    const charge = { checkout_request_id, receipt, phone, amount, account_reference, at };
    ledger.write({ kind: 'charge', charge });
  }
  ledger.write({ kind: 'answer', id: checkout_request_id, code, at });
}

/** How the callbacks of a prompt come: whoever says never is heard. */
function mannerOf({ callback }: Settings, rule: Rule | null): Settings['callback'] {
  const asked = [callback, rule?.callback];
  if (asked.includes('never')) return 'never';
  return asked.includes('early') ? 'early' : 'send';
}

/** Sends as many callbacks as the settings or the rule want. */
function tell({ settings, callbacks }: Line, prompt: Prompt, rule: Rule | null) {
  const length = Math.max(settings.duplicates, rule?.duplicates ?? 1);
  return Promise.all(Array.from({ length }, () => callbacks.send(prompt)));
}

function settle(line: Line, prompt: Prompt, code: string, rule: Rule | null): void {
  const { settings } = line;
  if (prompt.state === 'answered') return;
  finish(line, prompt, code);
  if (mannerOf(settings, rule) === 'never') return;
  line.later(settings.callback_delay_ms, () => void tell(line, prompt, rule));
}

/** What the rule wants, unless a person took the phone in the meantime. */
function settleByRule(line: Line, prompt: Prompt, rule: Rule): void {
  const { ledger, settings } = line;
  const isLeft =
    settings.answer_mode === 'manual' || ledger.ignored.has(prompt.checkout_request_id);
  if (!isLeft && rule.answer !== 'ignore') settle(line, prompt, ANSWERS[rule.answer], rule);
}

function schedule(line: Line, prompt: Prompt, rule: Rule): void {
  const { answer_mode, answer_delay_ms, prompt_lifetime_ms } = line.settings;
  if (answer_mode === 'auto') line.later(answer_delay_ms, () => settleByRule(line, prompt, rule));
  line.later(prompt_lifetime_ms, () => settle(line, prompt, ANSWERS.unreachable, null));
}

async function ring(line: Line, wanted: PromptRequest): Promise<Prompt> {
  const { ledger, settings } = line;
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
  ledger.write({ kind: 'prompt', prompt: draft });
  const prompt = ledger.prompts.get(id) ?? draft;
  const rule = ruleFor(prompt.phone);
  const isEarly = settings.answer_mode === 'auto' && mannerOf(settings, rule) === 'early';
  if (isEarly && rule.answer !== 'ignore') {
    finish(line, prompt, ANSWERS[rule.answer]);
    await tell(line, prompt, rule);
  } else schedule(line, prompt, rule);
  return prompt;
}
