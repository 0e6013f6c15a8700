import { z } from 'zod';

/** Pieces that many requests share. */

/** Text that PostgreSQL and JSON keep as it is: no control characters, no broken surrogates. */
export function text(lengthMax: number) {
  return z
    .string()
    .min(1)
    .max(lengthMax)
    .refine((it) => it.isWellFormed() && !/\p{Cc}/u.test(it), 'must hold no control characters');
}

/** NIST SP 800-63B: length counts, rules about kinds of characters do not. */
export const newPassword = z.string().min(12, 'takes 12 characters or more').max(200);

const AMOUNT = 'must be a positive integer of minor units (KES 100.50 is 10050), below 2^53';

export const positiveAmount = z.int({ error: AMOUNT }).positive({ error: AMOUNT });

export const metadata = z
  .record(
    z.string().regex(/^[A-Za-z0-9_.-]{1,40}$/, 'keys take 1–40 of A–Z a–z 0–9 _ . -'),
    text(500),
  )
  .refine((it) => Object.keys(it).length <= 20, 'takes at most 20 keys');

/** A moment that PostgreSQL also takes, in UTC. */
export const moment = z.iso
  .datetime({
    offset: true,
    error: 'must be a time such as 2026-11-24T09:00:00Z',
    abort: true,
  })
  .refine((it) => {
    const atMs = Date.parse(it);
    return atMs >= 0 && atMs < Date.UTC(9999, 0);
  }, 'must be a time from 1970 to 9998')
  .transform((it) => new Date(it).toISOString());

const PAGE_MAX = 100;

/** How much of a list, and where to go on. */
export const pageQuery = z.strictObject({
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(PAGE_MAX)
    .default(20)
    .meta({ description: `How many at most, 1 to ${PAGE_MAX}` }),
  cursor: z.string().max(200).optional(),
});
