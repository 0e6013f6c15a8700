import type { Context } from 'koa';
import {
  errorAnswer,
  HTML_PAGE,
  invalidField,
  isErrorName,
  rateLimited,
  type WireAnswer,
} from './answers.ts';
import type { RequestPath } from './book.ts';
import { isRecord } from './settings.ts';

/** Ways to misbehave that are not an answer of Daraja's own. */
const MANNERS = [
  '500',
  'timeout',
  'reset',
  'truncate',
  'html_200',
  'html_403',
  'empty_200',
  'slow',
  '429',
  'invalid_field',
] as const;

export type Fault = {
  readonly on: RequestPath;
  readonly phone: string | null;
  /** Whether the work is done before the misbehaving. */
  readonly act: boolean;
  readonly fault: string;
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

function misbehave({ fault, field, retry_after_s }: Fault): WireAnswer {
  if (isErrorName(fault)) return errorAnswer(fault);
  switch (fault) {
    case 'html_200':
      return { status: 200, body: HTML_PAGE };
    case 'html_403':
      return { status: 403, body: HTML_PAGE };
    case 'empty_200':
      return { status: 200, body: null };
    case '429':
      return rateLimited(retry_after_s);
    case 'invalid_field':
      return invalidField(field);
    default:
      return errorAnswer('unreachable_1001');
  }
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

function readOrder(order: Readonly<Record<string, unknown>>): Fault {
  const { on, fault } = order;
  if (on !== 'oauth' && on !== 'push' && on !== 'query') {
    throw new RangeError('on takes oauth, push or query');
  }
  const isKnown = typeof fault === 'string' && (isErrorName(fault) || isManner(fault));
  if (!isKnown || !isRecord(order)) {
    throw new RangeError(`fault takes ${MANNERS.join(', ')} or the name of an error of Daraja`);
  }
  const count = (name: string, otherwise: number) =>
    typeof order[name] === 'number' ? order[name] : otherwise;
  return {
    on,
    fault,
    phone: typeof order.phone === 'string' ? order.phone : null,
    act: order.act === true,
    delay_ms: count('delay_ms', 1_000),
    retry_after_s: typeof order.retry_after_s === 'number' ? order.retry_after_s : null,
    field: typeof order.field === 'string' ? order.field : 'PhoneNumber',
    times: count('times', 1),
    hits: 0,
  };
}

function isManner(fault: string): boolean {
  return MANNERS.some((manner) => manner === fault);
}
