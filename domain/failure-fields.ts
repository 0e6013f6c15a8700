/** What the row of a payment or refund shows of its failure. */
export type FailureFields<Code extends string> = {
  readonly failureCode: Code | null;
  readonly failureMessage: string | null;
  readonly isFailureFinal: boolean;
  readonly providerCode: string | null;
};

type Told<Code extends string> = {
  readonly failure: { readonly code: Code; readonly message: string } | null;
  readonly providerCode: string | null;
  readonly isFinal?: true;
};

/**
 * What it shows after a step. A failure has its own code of the provider, or none: that of another
 * word, such as a late success while a person is asked, would mislead.
 */
export function failureAfter<Code extends string>(
  { failureCode, failureMessage, isFailureFinal, providerCode }: FailureFields<Code>,
  told: Told<Code> | null,
  isPaid: boolean,
): FailureFields<Code> {
  const isShown = failureCode !== null;
  if (isPaid) {
    const code = told?.providerCode ?? (isShown ? null : providerCode);
    return { ...NONE, providerCode: code };
  }
  if (told?.failure) {
    const { code, message } = told.failure;
    const isFinal = told.isFinal === true;
    const shown = { failureCode: code, failureMessage: message, isFailureFinal: isFinal };
    return { ...shown, providerCode: told.providerCode };
  }
  const code = isShown ? providerCode : (told?.providerCode ?? providerCode);
  return { failureCode, failureMessage, isFailureFinal, providerCode: code };
}

const NONE = { failureCode: null, failureMessage: null, isFailureFinal: false } as const;
