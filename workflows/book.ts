import { setCurrentDetails } from '@temporalio/workflow';
import type { PaymentInput, RecordRequest, RecordResult } from '../domain/payment.ts';
import type { PaymentStatus } from '../domain/payment-states.ts';
import { record } from './proxies.ts';

type Entry = Pick<RecordRequest, 'key' | 'action' | 'cause'> &
  Partial<Omit<RecordRequest, 'paymentId' | 'attemptId'>>;

/** What the workflow knows of its payment, and its pen: every change goes through `write`. */
export type Book = {
  status(): PaymentStatus;
  providerPaymentId(): string | null;
  /** True when the provider has the charge, or may have it. */
  isOut(): boolean;
  setOut(isOut: boolean): void;
  write(entry: Entry): Promise<RecordResult>;
};

const BLANK = {
  actor: 'workflow',
  event: null,
  outcome: null,
  providerPaymentId: null,
  reviewReason: null,
  waitingFor: null,
  waitMs: null,
  webhook: null,
} as const;

/** @param status where the payment stands when the workflow takes it up. */
export function openBook(input: PaymentInput, status: PaymentStatus): Book {
  let current = status;
  let knownId: string | null = null;
  let out = false;
  return {
    status: () => current,
    providerPaymentId: () => knownId,
    isOut: () => out,
    setOut(isOut) {
      out = isOut;
    },
    async write(entry) {
      const { paymentId, attemptId } = input;
      const request: RecordRequest = { ...BLANK, ...entry, paymentId, attemptId };
      knownId ??= request.providerPaymentId ?? request.outcome?.providerPaymentId ?? null;
      const result = await record(request);
      current = result.status;
      setCurrentDetails(describe(current, request));
      return result;
    },
  };
}

/** Shown at the head of the workflow's page in the Web UI. */
function describe(status: PaymentStatus, { cause, waitingFor, waitMs }: RecordRequest): string {
  const waits = waitingFor === null ? '' : `\n\nWaits for: ${waitingFor}`;
  const until = waitMs === null ? '' : `, ${Math.round(waitMs / 1000)} s at most`;
  return `**${status}** — ${cause}${waits}${until}`;
}
