import type { FailureCode } from '../../../domain/error.ts';
import type { ChargeResult } from '../../../domain/outcome.ts';
import type { ChargeRequest, Provider } from '../../../domain/provider.ts';

/**
 * What every provider keeps, shown over HTTP: what the client says, and what the counterpart's
 * ledger says happened. A provider joins by describing itself, once with its simulator and once
 * with the real service where that has a test mode; the cases are the same.
 */
export type ProviderDescription = {
  readonly provider: Provider;
  /** Opens a counterpart of its own. @param callbackUrl where it may deliver all its callbacks. */
  open(callbackUrl: string): Promise<Counterpart>;
  /** What the counterpart cannot offer, and why; cases that need it are skipped by this. */
  readonly lacks?: Lacks;
  /** Pays in the end; `answers` is what the charge itself comes back with. */
  readonly pays: Payer & { readonly answers: ChargeResult['kind'] };
  /** Pays too, but is not done when the charge comes back. */
  readonly waits: Payer & { readonly answers: 'pending' | 'action_required' };
  readonly refuses: readonly RefusingPayer[];
  /** In the form of the provider's ids, and of no payment. */
  readonly unknownPaymentId: string;
  /** How the provider treats a key that it saw before, beyond giving the first answer again. */
  readonly keyHabits: readonly KeyHabit[];
  /** Gives back as its dashboard does, with metadata of others; absent where no list tells it. */
  readonly refundPastUs?: (refund: RefundPastUs) => Promise<void>;
  /** A webhook secret of nobody, in the form of `webhook_secrets`; null where nothing is signed. */
  readonly otherWebhookSecret: string | null;
  /** Of the credentials: what may stand in no message, and what must be there. */
  readonly secretFields: readonly string[];
  readonly requiredFields: readonly string[];
  /** Values of a wrong form, by field. */
  readonly malformedFields: Readonly<Record<string, string>>;
  /** Credentials in good form that the provider refuses, by the field that is wrong. */
  readonly wrongFields: Readonly<Record<string, string>>;
};

/**
 * `says_in_progress`: it refuses a key whose first request is still under way (HTTP 409).
 * `replays_500`: a 500 is the first answer too, and is given again for ever.
 */
export type KeyHabit = 'says_in_progress' | 'replays_500';

export type RefundPastUs = {
  readonly credentials: Readonly<Record<string, string>>;
  readonly providerPaymentId: string;
  readonly amountMinor: number;
};

export type Payer = {
  readonly name: string;
  /** What a request must say to meet this payer. The serial differs for each request. */
  request(serial: number): Partial<ChargeRequest>;
};
export type RefusingPayer = Payer & {
  readonly kind: 'declined' | 'canceled';
  readonly failure: FailureCode;
};

/** What a case may need of the counterpart, and not every counterpart has. */
export type Need = 'ledger' | 'faults' | 'payer' | 'callbacks' | 'switch';
export type Lacks = Readonly<Partial<Record<Need, string>>>;

/** The other end of the wire: a simulator, or the real service in its test mode. */
export type Counterpart = {
  readonly credentials: Readonly<Record<string, string>>;
  /** `ledger`: what this request left in it; more than one is money asked for twice. */
  listPayments(request: ChargeRequest): Promise<readonly LedgerPayment[]>;
  /** `faults`: spoils the next call. */
  setFault(fault: Fault): Promise<void>;
  /** `payer`: does what the payer does, when that is not done by itself. */
  settle(providerPaymentId: string, payer: Payer): Promise<void>;
  /** `callbacks`: delivers the payment's latest callback again. */
  redeliver(providerPaymentId: string): Promise<void>;
  /** `callbacks`: how they come from now on. */
  tellBy(mode: CallbackMode): Promise<void>;
  /** A simulator stops, and nobody listens any more (`switch`); what is real goes on. */
  close(): Promise<void>;
};
export type LedgerPayment = {
  readonly providerPaymentId: string;
  readonly capturedMinor: number;
  /** Given back, or about to be. */
  readonly refundedMinor: number;
  readonly isCanceled: boolean;
};
/** `early`: before the charge is answered. Forged and old ones only where they are signed. */
export type CallbackMode = 'usual' | 'early' | 'never' | 'forged' | 'old';

/** `isActedOn`: the work is done, and only its answer is lost. */
export type Fault =
  | { readonly on: Call; readonly how: LostAnswer; readonly isActedOn: boolean }
  | { readonly on: Call; readonly how: '429'; readonly retryAfterS: number }
  | { readonly on: Call; readonly how: 'in_progress' };
export type Call = SendName | 'lookup' | 'lookupRefund';
/** The calls that move money, or let go of it. */
export type SendName = 'charge' | 'capture' | 'cancel' | 'refund';
export const LOST_ANSWERS = ['reset', 'timeout', '500', 'truncate', 'html_200'] as const;
export type LostAnswer = (typeof LOST_ANSWERS)[number];
