import type { Lacks, ProviderDescription } from '../contract/description.ts';

/** What the environment says about asking a provider itself, in its test mode. */
export type Live =
  | { readonly kind: 'ready'; readonly description: ProviderDescription }
  /** `absent`: nobody wants to. `refused`: somebody does, with what must not be used. */
  | { readonly kind: 'absent' | 'refused'; readonly why: string };
export type Environment = Readonly<Record<string, string | undefined>>;

/** What none of the real services can offer to a test. */
export const REAL_LACKS = {
  faults: 'what is real does not fail to order',
  callbacks: 'its callbacks do not reach this machine',
  switch: 'it cannot be stopped',
} as const satisfies Lacks;
