import type { PaymentInput } from '../domain/payment.ts';
import { isClosed } from '../domain/payment-states.ts';
import type { Book } from './book.ts';
import type { Desk } from './desk.ts';
import { applyNews } from './news.ts';
import { renewIfLong } from './renew.ts';

const DAY_MS = 24 * 3_600_000;

/**
 * While an operator holds the payment, it is neither sent nor captured, and the provider is not
 * asked about it; what the provider tells by itself, cancels and decisions still count.
 */
export async function holdWhilePaused(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  while (desk.isPaused && !isClosed(book.status())) {
    desk.isAnswerable = true;
    await renewIfLong(input, book, desk);
    if (await desk.newsWithin(DAY_MS, 'paused by an operator')) await applyNews(input, book, desk);
  }
}
