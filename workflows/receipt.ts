import { ActivityFailure, proxyActivities } from '@temporalio/workflow';
import type { Activities, ReceiptInput } from '../activities/index.ts';
import {
  type ReceiptAnswer,
  type ReceiptEvent,
  type ReceiptQuestion,
  receiptDoubt,
} from '../domain/receipt.ts';
import {
  type RefundFailureCode,
  type RefundInput,
  type RefundRecordRequest,
  refundFailure,
} from '../domain/refund.ts';
import { callOf } from './provider-queue.ts';
import { keepEvent } from './proxies.ts';
import { failRefund, type RefundBook } from './refund-book.ts';
import type { RefundDesk } from './refund-desk.ts';
import { applyRefundEvent } from './refund-news.ts';

type ToLearn = NonNullable<RefundInput['receiptToLearn']>;
type Untold = {
  readonly code: Extract<RefundFailureCode, 'receipt_unknown' | 'misconfigured'>;
  readonly providerCode: string | null;
  readonly why: string;
  /** The callback that told so, where one did. */
  readonly webhook: RefundRecordRequest['webhook'];
};
type Told = { readonly receipt: string } | Untold;

/**
 * Learns the receipt that the refund is made by. Without it the refund fails, and nothing was sent:
 * its money is free for another try or another way.
 * @returns what to send; null when the refund has ended.
 */
export async function learnReceipt(
  input: RefundInput,
  toLearn: ToLearn,
  book: RefundBook,
  desk: RefundDesk,
): Promise<RefundInput | null> {
  const answer = await askForReceipt(input);
  if (answer.kind !== 'asked') {
    const code = answer.kind === 'misconfigured' ? 'misconfigured' : 'receipt_unknown';
    const { providerCode, message: why } = answer;
    await fail(book, { code, providerCode, why, webhook: null });
    return null;
  }
  const waitMs = input.policy.refund.result_wait_ms;
  await book.write({
    key: 'receipt-asked',
    action: 'refund.receipt_asked',
    cause: 'no callback told the payment’s receipt: the provider was asked for it',
    waitingFor: 'callback',
    waitMs,
  });
  desk.isAnswerable = true;
  const told = await awaitReceipt(input, { ...toLearn, ...answer.question, waitMs }, book, desk);
  if (book.status() !== 'pending') return null;
  if ('receipt' in told) return { ...input, providerReceipt: told.receipt };
  await fail(book, told);
  return null;
}

/** Harmless, so Temporal asks again as long as a send may take. */
async function askForReceipt(input: RefundInput): Promise<ReceiptAnswer> {
  const { timeout_ms, deadline_ms, resend_after_ms } = input.policy.refund;
  const activities = proxyActivities<Pick<Activities, 'learnReceipt'>>({
    ...callOf(input, 'question'),
    // A token and two questions.
    startToCloseTimeout: timeout_ms * 3 + 5_000,
    scheduleToCloseTimeout: deadline_ms,
    retry: { initialInterval: '5s', maximumInterval: '60s' },
    summary: `ask ${input.provider} for the payment’s receipt`,
  });
  const { workflowId, provider, credentialsRef, providerPaymentId } = input;
  const question: ReceiptInput = {
    workflowId,
    provider,
    credentialsRef,
    providerPaymentId,
    timeoutMs: timeout_ms,
    everyMs: resend_after_ms,
  };
  try {
    return await activities.learnReceipt(question);
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    const message = 'the provider could not be asked for it in time';
    return { kind: 'unknown', providerCode: null, message };
  }
}

type Asked = ToLearn & ReceiptQuestion & { readonly waitMs: number };

async function awaitReceipt(
  input: RefundInput,
  asked: Asked,
  book: RefundBook,
  desk: RefundDesk,
): Promise<Told> {
  const until = Date.now() + asked.waitMs;
  while (book.status() === 'pending' && Date.now() < until) {
    await desk.newsWithin(until - Date.now(), 'wait for the receipt');
    for (let news = desk.takeEvent(); news !== undefined; news = desk.takeEvent()) {
      const { event, eventId, unstored } = news;
      if (event.kind !== 'receipt') {
        await applyRefundEvent(input, book, news);
        // The answer was perhaps this one: the question moves nothing, so it is asked again.
        if (book.unclear.takeAsk()) await askForReceipt(input);
        continue;
      }
      if (unstored !== null) await keepEvent(unstored);
      const doubt = receiptDoubt(event, asked, asked.takenMinor);
      const { receipt, providerCode } = event;
      if (doubt === null && receipt !== null) {
        return await keepReceipt(book, receipt, event, eventId);
      }
      const code = event.isMisconfigured ? 'misconfigured' : 'receipt_unknown';
      const why = doubt ?? event.message;
      const status = receipt === null ? 'applied' : 'parked';
      return { code, providerCode, why, webhook: { eventId, status, note: doubt } };
    }
  }
  const why = 'the provider did not tell it in time';
  return { code: 'receipt_unknown', providerCode: null, why, webhook: null };
}

async function keepReceipt(
  book: RefundBook,
  told: string,
  { providerCode }: ReceiptEvent,
  eventId: string,
): Promise<Told> {
  const { paymentReceipt, isReceiptTaken } = await book.write({
    key: `event/${eventId}`,
    action: 'refund.receipt_learned',
    actor: 'provider',
    cause: 'the provider told the payment’s receipt',
    paymentReceipt: told,
    webhook: { eventId, status: 'applied', note: null },
  });
  const why = 'the receipt that the provider told is of another payment';
  if (isReceiptTaken) return { code: 'receipt_unknown', providerCode, why, webhook: null };
  return { receipt: paymentReceipt ?? told };
}

async function fail(book: RefundBook, { code, providerCode, why, webhook }: Untold): Promise<void> {
  const text =
    code === 'misconfigured'
      ? why
      : `It is refunded by the payment’s receipt, which no callback told; asked for it: ${why}. Nothing was sent. When its late callback comes, refund it anew; else do it in the provider’s portal.`;
  const failure = refundFailure(code, providerCode, text);
  await failRefund(book, { key: 'no-receipt', cause: why, failure, webhook });
}
