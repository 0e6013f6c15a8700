import { z } from 'zod';
import { holdsUnseen } from '../domain/text.ts';

/** Nothing in it is unseen; what hangs on its ends was taken off before. */
export const seenText = z
  .string()
  .min(1)
  .refine((text) => !holdsUnseen(text), 'must hold no blanks, line ends or unseen characters');

export const keyBytes = z
  .base64('must be base64')
  .transform((text) => Buffer.from(text, 'base64'))
  .refine((bytes) => bytes.length === 32, 'must be 32 bytes in base64');

export const dataKeys = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .pipe(
    z.array(
      z
        .string()
        .regex(
          /^[a-z0-9-]{1,32}:.+$/,
          'must be id:base64 with an id of lowercase letters and digits',
        )
        .transform((part) => {
          const colon = part.indexOf(':');
          return { id: part.slice(0, colon), key: part.slice(colon + 1) };
        })
        .pipe(z.object({ id: z.string(), key: keyBytes })),
    ),
  )
  .refine(
    (keys) => new Set(keys.map(({ id }) => id)).size === keys.length,
    'must not name two keys by one id',
  );

export const origins = z
  .string()
  .transform((list) => (list === '' ? [] : list.split(',').map((part) => part.trim())))
  .pipe(
    z.array(
      z
        .string()
        .refine((it) => URL.parse(it)?.origin === it, 'must be origins: https://shop.co.ke'),
    ),
  );

export const metricsPort = z.coerce.number<string>().int().min(1).max(65_535).optional();
export const postgresUrl = seenText.pipe(
  z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// address' }),
);
