/** What a payer does with a prompt, and the result code that follows. */
export const ANSWERS = {
  approve: '0',
  cancel: '1032',
  wrong_pin: '2001',
  no_funds: '1',
  unreachable: '1037',
  expire: '1019',
  busy: '1001',
  unknown_code: '7777',
} as const;

/** `ignore` lets the prompt ring until its lifetime ends. */
export type Answer = keyof typeof ANSWERS | 'ignore';

export const ANSWER_NAMES: readonly string[] = [...Object.keys(ANSWERS), 'ignore'];

export function isAnswer(value: unknown): value is Answer {
  return typeof value === 'string' && ANSWER_NAMES.includes(value);
}

/** What each result code says in a callback and, where it differs, in a query. */
const DESCRIPTIONS: Readonly<Record<string, readonly [string, string?]>> = {
  '0': ['The service request is processed successfully.'],
  '1': ['The balance is insufficient for the transaction.'],
  '1001': [
    'Unable to lock subscriber, a transaction is already in process for the current subscriber',
  ],
  '1019': ['Transaction has expired'],
  '1032': ['Request cancelled by user', 'Request Cancelled by user.'],
  '1037': ['No response from user.', 'DS timeout user cannot be reached.'],
  '2001': ['The initiator information is invalid.'],
  '4999': ['The transaction is still under processing'],
};

export function describeResult(code: string, where: 'callback' | 'query'): string {
  const [inCallback, inQuery] = DESCRIPTIONS[code] ?? ['An unexpected error occurred.'];
  return where === 'query' ? (inQuery ?? inCallback) : inCallback;
}

export type Rule = {
  readonly digits: string;
  readonly what: string;
  readonly answer: Answer;
  readonly callback?: 'never' | 'early';
  readonly duplicates?: number;
  /** The push itself is refused: the subscriber is busy. */
  readonly isLocked?: boolean;
};

/** In auto mode the last two digits of the phone decide; any other phone approves. */
export const RULES: readonly Rule[] = [
  // table
  { digits: '01', what: 'cancels (1032)', answer: 'cancel' },
  { digits: '02', what: 'enters a wrong PIN (2001)', answer: 'wrong_pin' },
  { digits: '03', what: 'has no funds (1)', answer: 'no_funds' },
  { digits: '04', what: 'lets the transaction expire (1019)', answer: 'expire' },
  { digits: '05', what: 'cannot be reached (1037)', answer: 'unreachable' },
  { digits: '06', what: 'is busy: the push is refused', answer: 'ignore', isLocked: true },
  { digits: '07', what: 'ends with an unknown code (7777)', answer: 'unknown_code' },
  {
    digits: '08',
    what: 'approves, but the callback never comes',
    answer: 'approve',
    callback: 'never',
  },
  { digits: '09', what: 'never answers (1037 at the end)', answer: 'ignore' },
  {
    digits: '10',
    what: 'approves, and the callback comes twice',
    answer: 'approve',
    duplicates: 2,
  },
  {
    digits: '11',
    what: 'approves, the callback before the push’s answer',
    answer: 'approve',
    callback: 'early',
  },
];

const APPROVES: Rule = { digits: '', what: 'approves', answer: 'approve' };

export function ruleFor(phone: string): Rule {
  return RULES.find(({ digits }) => phone.endsWith(digits)) ?? APPROVES;
}
