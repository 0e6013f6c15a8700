import { PROBLEMS } from '../errors.ts';
import type { Operation } from '../operation.ts';

type HeaderName = keyof typeof HEADERS;
type Header = { readonly description: string; readonly schema: { readonly type: 'string' } };

const text = (description: string) => ({ description, schema: { type: 'string' as const } });

/** What an answer's headers say. */
const HEADERS = {
  // table
  'X-Request-Id': text('Yours, when you sent one; tell us when something went wrong'),
  'RateLimit-Policy': text('The limit that counted this request, such as `"merchant";q=100;w=1`'),
  RateLimit: text('What is left of it, such as `"merchant";r=99;t=1`'),
  'Retry-After': text('Seconds to wait before the next try'),
  Location: text('Where the thing is'),
  'Idempotency-Replayed': text('`true` when this key had made it before'),
  'Malipo-Hint': text(
    'In a sandbox only: the amount looks like whole units, such as 1500 for KES 1500, which is 150000',
  ),
  'Preference-Applied': text('What of your `Prefer` counted, such as `wait=2`'),
} as const;

/** Answered before anything was read that could be counted. */
const UNREAD: readonly number[] = [
  PROBLEMS.request_timeout.status,
  PROBLEMS.headers_too_large.status,
];

/** The headers that an answer of this operation with this status carries. */
export function headersOf(operation: Operation, status: number): Record<string, Header> {
  const isLimited = operation.access.kind !== 'open' || operation.limit !== undefined;
  const isCounted = isLimited && !UNREAD.includes(status);
  const isMade = operation.isIdempotent === true && status < 300;
  const carried: readonly (readonly [HeaderName, boolean])[] = [
    ['X-Request-Id', true],
    ['RateLimit-Policy', isCounted],
    ['RateLimit', isCounted],
    ['Retry-After', status === 429 || status === 503],
    ['Location', isMade],
    ['Idempotency-Replayed', isMade],
    ['Malipo-Hint', isMade && operation.id === 'createPayment'],
    ['Preference-Applied', operation.isWaiting === true && status < 300],
  ];
  return Object.fromEntries(
    carried.filter(([, isCarried]) => isCarried).map(([name]) => [name, HEADERS[name]]),
  );
}
