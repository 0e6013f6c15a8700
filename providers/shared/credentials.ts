import { z } from 'zod';
import { holdsUnseen, trimPasted } from '../../domain/text.ts';

/**
 * Credentials as people paste them: from mails, portals and PDFs. Invisible characters at either
 * end are removed. Inside they are refused: the value is shown masked, so nobody would find them.
 */

/** A key, a secret, an address: nothing in it is unseen, not even a blank. */
export const seenText = z
  .string()
  .min(1)
  .refine((text) => !holdsUnseen(text), 'must hold no blanks, line ends or unseen characters');

/** A name or password of a person's own, which may hold blanks. */
export const seenWords = z
  .string()
  .min(1)
  .refine((text) => !holdsUnseen(text, ' '), 'must hold no line ends or unseen characters');

/** A PEM, which is made of lines. */
export const seenLines = z
  .string()
  .min(1)
  .refine((text) => !holdsUnseen(text, ' \r\n\t'), 'must hold no unseen characters');

/** An address of the provider's. */
export const address = seenText.pipe(z.url({ protocol: /^https?$/ }));

/** One secret or several in a list with commas: the old and the new one while they are changed. */
export function listOfSecrets(secret: z.ZodType<string, string>) {
  return z
    .string()
    .transform((list) => list.split(',').map(trimPasted))
    .pipe(z.array(seenText.pipe(secret)).min(1).max(5));
}

/** The schema of a provider's credentials, for what was pasted into its fields. */
export function pasted<T extends z.ZodType>(schema: T) {
  return z.preprocess(
    (record) => z.record(z.string(), z.string().transform(trimPasted)).safeParse(record).data,
    schema,
  );
}
