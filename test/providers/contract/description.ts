import type { FailureCode } from '../../../domain/error.ts';
import type { ChargeRequest, ChargeResult, Provider } from '../../../domain/provider.ts';

/**
 * What every provider keeps, shown over HTTP against its own simulator: what the client says, and
 * what the simulator's book says happened. A provider joins by describing itself.
 */
export type ProviderDescription = {
  readonly provider: Provider;
  /** Starts a simulator of its own. @param callbackUrl where it may deliver all its callbacks. */
  open(callbackUrl: string): Promise<OpenSimulator>;
  /** Pays in the end; `answers` is what the charge itself comes back with. */
  readonly pays: Payer & { readonly answers: ChargeResult['kind'] };
  /** Pays too, but is not done when the charge comes back. */
  readonly waits: Payer & { readonly answers: 'pending' | 'action_required' };
  readonly refuses: readonly RefusingPayer[];
  /** In the form of the provider's ids, and of no payment. */
  readonly unknownPaymentId: string;
  /** Of the credentials: what may stand in no message, and what must be there. */
  readonly secretFields: readonly string[];
  readonly requiredFields: readonly string[];
  /** Values of a wrong form, by field. */
  readonly malformedFields: Readonly<Record<string, string>>;
  /** Credentials in good form that the provider refuses, by the field that is wrong. */
  readonly wrongFields: Readonly<Record<string, string>>;
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

export type OpenSimulator = {
  readonly credentials: Readonly<Record<string, string>>;
  /** What this request left in the book; more than one is money asked for twice. */
  listPayments(request: ChargeRequest): Promise<readonly BookPayment[]>;
  /** Spoils the next call. */
  spoil(spoil: Spoil): Promise<void>;
  /** Lets the payer do what the payer does, when that is not done by itself. */
  settle(providerPaymentId: string, payer: Payer): Promise<void>;
  /** Delivers the payment's latest callback again. */
  redeliver(providerPaymentId: string): Promise<void>;
  close(): Promise<void>;
};
export type BookPayment = {
  readonly providerPaymentId: string;
  readonly takenMinor: number;
  readonly refundedMinor: number;
};
/** `isActedOn`: the work is done, and only its answer is lost. */
export type Spoil =
  | { readonly on: Call; readonly how: LostAnswer; readonly isActedOn: boolean }
  | { readonly on: Call; readonly how: '429'; readonly retryAfterS: number };
export type Call = 'charge' | 'lookup';
export const LOST_ANSWERS = ['reset', 'timeout', '500', 'truncate', 'html_200'] as const;
export type LostAnswer = (typeof LOST_ANSWERS)[number];
