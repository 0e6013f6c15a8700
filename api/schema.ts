import { z } from 'zod';

/** Pieces that many requests share. */

/** Text that PostgreSQL and JSON keep as it is: no control characters, no broken surrogates. */
export function text(lengthMax: number) {
  const error = `takes 1 to ${lengthMax} characters`;
  return z
    .string({ error: ({ input }) => (input === undefined ? 'is required' : NO_TEXT) })
    .min(1, { error })
    .max(lengthMax, { error })
    .refine((it) => it.isWellFormed() && !/\p{Cc}/u.test(it), 'must hold no control characters');
}
const NO_TEXT = 'must be a text in quotes';

/** NIST SP 800-63B: length counts, rules about kinds of characters do not. */
export const newPassword = z
  .string()
  .min(12, 'takes 12 characters or more')
  .max(200)
  .describe('12 to 200 characters of any kind; a few words are easy to keep in mind');

const AMOUNT = 'must be a positive integer of minor units (KES 150 is 15000), below 2^53';

export const positiveAmount = z
  .int({ error: AMOUNT })
  .positive({ error: AMOUNT })
  .describe(
    'Integer minor units: KES 150 is 15000, and 150 is KES 1.50. M-Pesa takes whole shillings',
  );

export const metadata = z
  .record(
    z
      .string()
      .regex(/^[A-Za-z0-9_.-]{1,40}$/, 'takes keys of 1 to 40 characters from A-Z a-z 0-9 _ . -'),
    text(500),
    { error: 'must be an object of texts, such as {"order":"17"}' },
  )
  .refine((it) => Object.keys(it).length <= 20, 'takes at most 20 keys')
  .meta({
    description:
      'Your own texts by name, such as an order number: at most 20 names of 1 to 40 characters from A-Z a-z 0-9 _ . -, each text of 1 to 500 characters. Nothing personal, please: it is not masked',
    example: { order: '17' },
  });

const TIME = 'such as 2026-11-24T09:00:00Z';
/** In an address a bare + is a blank. */
const LOST_PLUS = /^\S+T\S+ \d\d:?\d\d$/;

/** A moment that PostgreSQL also takes, in UTC. */
export const moment = z.iso
  .datetime({
    offset: true,
    error: ({ input }) =>
      typeof input === 'string' && LOST_PLUS.test(input)
        ? `has a blank where its + was: write + as %2B in an address, or use Z, ${TIME}`
        : `must be a time ${TIME}`,
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
