import { setCurrentDetails } from '@temporalio/workflow';
import type { PaymentInput, RecordRequest, RecordResult, Route } from '../domain/payment.ts';
import type { PaymentStatus } from '../domain/payment-states.ts';
import type { Outcome } from '../domain/provider.ts';
import { record, recordReattempt } from './proxies.ts';

export type Entry = Pick<RecordRequest, 'key' | 'action' | 'cause'> &
  Partial<Omit<RecordRequest, 'paymentId' | 'attemptId'>>;

/** What the workflow knows of its payment, and its pen: every change goes through it. */
export type Book = {
  status(): PaymentStatus;
  attemptId(): string;
  /** Who takes the current attempt. */
  route(): Route;
  /** From 1. */
  attemptOrdinal(): number;
  providerPaymentId(): string | null;
  /** True for the provider's id of an attempt that failed before. */
  isOfEarlierAttempt(providerPaymentId: string | null): boolean;
  /** True when the provider has the charge, or may have it. */
  isOut(): boolean;
  setOut(isOut: boolean): void;
  /** After which pause the current attempt is to be sent; null when that was done. */
  sendAfterMs(): number | null;
  write(entry: Entry): Promise<RecordResult>;
  /** Ends the current attempt and opens the next one, which is then due. */
  openAttempt(entry: Entry & { readonly outcome: Outcome }): Promise<void>;
};

const BLANK = {
  actor: 'workflow',
  event: null,
  outcome: null,
  nextAction: null,
  providerPaymentId: null,
  reviewReason: null,
  waitingFor: null,
  waitMs: null,
  webhook: null,
} as const;

/** @param status where the payment stands when the workflow takes it up. */
export function openBook(input: PaymentInput, status: PaymentStatus): Book {
  let current = status;
  let attemptId = input.attemptId;
  let ordinal = input.attemptOrdinal ?? 1;
  let route: Route = input;
  let knownId: string | null = null;
  let out = false;
  let sendAfterMs: number | null = status === 'created' ? 0 : null;
  const earlierIds = new Set<string>();
  /** The first attempt's entries have plain keys; each later attempt has its own. */
  const requestOf = (entry: Entry): RecordRequest => {
    const key = ordinal === 1 ? entry.key : `${ordinal}/${entry.key}`;
    return { ...BLANK, ...entry, key, paymentId: input.paymentId, attemptId };
  };
  return {
    status: () => current,
    attemptId: () => attemptId,
    route: () => route,
    attemptOrdinal: () => ordinal,
    providerPaymentId: () => knownId,
    isOfEarlierAttempt: (id) => id !== null && earlierIds.has(id),
    isOut: () => out,
    setOut(isOut) {
      out = isOut;
      if (isOut) sendAfterMs = null;
    },
    sendAfterMs: () => sendAfterMs,
    async write(entry) {
      const request = requestOf(entry);
      knownId ??= request.providerPaymentId ?? request.outcome?.providerPaymentId ?? null;
      const result = await record(request);
      current = result.status;
      setCurrentDetails(describe(current, request));
      return result;
    },
    async openAttempt(entry) {
      const request = requestOf(entry);
      const { provider, credentialsRef, policy, can } = input.fallbacks?.[ordinal - 1] ?? route;
      const next: Route = { provider, credentialsRef, policy, ...(can ? { can } : {}) };
      const opened = await recordReattempt({ ...request, route: next });
      const failedId = knownId ?? entry.outcome.providerPaymentId;
      if (failedId !== null) earlierIds.add(failedId);
      ({ attemptId } = opened);
      ordinal += 1;
      route = next;
      knownId = null;
      out = false;
      sendAfterMs = request.waitMs ?? 0;
      setCurrentDetails(describe(current, request));
    },
  };
}

/** Shown at the head of the workflow's page in the Web UI. */
function describe(status: PaymentStatus, { cause, waitingFor, waitMs }: RecordRequest): string {
  const waits = waitingFor === null ? '' : `\n\nWaits for: ${waitingFor}`;
  const until = waitMs === null ? '' : `, ${Math.round(waitMs / 1000)} s at most`;
  return `**${status}** — ${cause}${waits}${until}`;
}
