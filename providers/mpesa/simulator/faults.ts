import type { Context } from 'koa';
import {
  ERROR_NAMES,
  type ErrorName,
  errorAnswer,
  HTML_PAGE,
  invalidField,
  isErrorName,
  rateLimited,
  type WireAnswer,
  WRONG_APP,
} from './answers.ts';
import { count, countFrom, flag, oneOf, orNull, readFields, text } from './fields.ts';
import type { RequestPath } from './ledger.ts';

/** What happens to the line instead of an answer, or before it. */
const LINE_FAULTS = ['timeout', 'reset', 'truncate', 'slow'] as const;

/** Answers that are not one of Daraja's own by name. */
const ODD_ANSWERS = {
  '500': () => errorAnswer('unreachable_1001'),
  html_200: () => ({ status: 200, body: HTML_PAGE }),
  html_403: () => ({ status: 403, body: HTML_PAGE }),
  empty_200: () => ({ status: 200, body: null }),
  '429': ({ retry_after_s }) => rateLimited(retry_after_s),
  invalid_field: ({ field }) => invalidField(field),
  wrong_credentials: ({ on }) => (on === 'oauth' ? WRONG_APP : errorAnswer('wrong_credentials')),
} as const satisfies Readonly<Record<string, (fault: Fault) => WireAnswer>>;

type OddAnswer = keyof typeof ODD_ANSWERS;

function isOddAnswer(name: string): name is OddAnswer {
  return Object.hasOwn(ODD_ANSWERS, name);
}

const ODD_NAMES = Object.keys(ODD_ANSWERS).filter(isOddAnswer);

export type Fault = {
  readonly on: RequestPath;
  readonly phone: string | null;
  /** Whether the work is done before the misbehaving. */
  readonly act: boolean;
  readonly fault: (typeof LINE_FAULTS)[number] | OddAnswer | ErrorName;
  readonly delay_ms: number;
  readonly retry_after_s: number | null;
  readonly field: string;
  times: number;
  hits: number;
};

export type Faults = {
  readonly list: readonly Fault[];
  /** @throws RangeError saying what is wrong with the order. */
  add(order: Readonly<Record<string, unknown>>): Fault;
  take(on: RequestPath, phone: string | null): Fault | null;
  /** Forgets all faults and lets held answers go. */
  clear(): void;
  /** Gives an answer, or misbehaves instead. */
  answer(ctx: Context, fault: Fault | null, answer: WireAnswer): Promise<void>;
};

const HELD_MS_MAX = 120_000;

export function openFaults(): Faults {
  let list: Fault[] = [];
  const held = new Map<() => void, NodeJS.Timeout>();
  const hold = (delayMs: number) =>
    new Promise<void>((resolve) => {
      const release = () => {
        clearTimeout(held.get(release));
        held.delete(release);
        resolve();
      };
      held.set(release, setTimeout(release, delayMs));
    });
  return {
    get list() {
      return list;
    },
    add(order) {
      const fault = readOrder(order);
      list.push(fault);
      return fault;
    },
    take(on, phone) {
      const found = list.find(
        (it) => it.on === on && it.times > 0 && (it.phone === null || it.phone === phone),
      );
      if (found === undefined) return null;
      found.times -= 1;
      found.hits += 1;
      return found;
    },
    clear() {
      list = [];
      for (const release of held.keys()) release();
    },
    async answer(ctx, fault, answer) {
      if (fault === null) return send(ctx, answer);
      if (fault.fault === 'slow') {
        await hold(fault.delay_ms);
        return send(ctx, answer);
      }
      if (fault.fault === 'timeout') {
        await hold(HELD_MS_MAX);
        return cut(ctx, '');
      }
      if (fault.fault === 'reset') return cut(ctx, null);
      if (fault.fault === 'truncate') return cut(ctx, JSON.stringify(answer.body).slice(0, 20));
      return send(ctx, misbehave(fault));
    },
  };
}

function misbehave(fault: Fault): WireAnswer {
  if (isOddAnswer(fault.fault)) return ODD_ANSWERS[fault.fault](fault);
  return errorAnswer(isErrorName(fault.fault) ? fault.fault : 'unreachable_1001');
}

function send(ctx: Context, { status, body, headers }: WireAnswer): void {
  ctx.status = status;
  if (headers !== undefined) ctx.set({ ...headers });
  if (typeof body === 'string') ctx.type = 'text/html';
  ctx.body = body ?? '';
  ctx.status = status;
}

/** Ends the connection hard: null before any byte, else after a part of a body that never ends. */
function cut(ctx: Context, part: string | null): void {
  ctx.respond = false;
  if (part === null || part === '') {
    ctx.res.socket?.destroy();
    return;
  }
  ctx.res.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' });
  ctx.res.write(part, () => ctx.res.socket?.destroy());
}

const FIELDS = {
  on: oneOf('oauth', 'push', 'query', 'reversal', 'status'),
  phone: orNull(text),
  act: flag,
  fault: oneOf(...new Set([...LINE_FAULTS, ...ODD_NAMES, ...ERROR_NAMES])),
  delay_ms: count,
  retry_after_s: orNull(count),
  field: text,
  times: countFrom(1),
} as const;

function readOrder(order: Readonly<Record<string, unknown>>): Fault {
  const { on, fault, ...rest } = readFields(FIELDS, order);
  if (on === undefined) throw new RangeError(`on is missing: ${FIELDS.on.takes}`);
  if (fault === undefined) throw new RangeError(`fault is missing: ${FIELDS.fault.takes}`);
  const isOfNobody = on === 'oauth' || on === 'reversal' || on === 'status';
  if (isOfNobody && typeof rest.phone === 'string') {
    throw new RangeError(`phone never matches: a call of ${on} names none`);
  }
  return {
    on,
    fault,
    phone: null,
    act: false,
    delay_ms: 1_000,
    retry_after_s: null,
    field: 'PhoneNumber',
    times: 1,
    ...rest,
    hits: 0,
  };
}
