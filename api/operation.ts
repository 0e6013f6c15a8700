import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import type { LimitName } from '../config/policies.ts';
import type { Access, Caller, CallerOf } from '../domain/access.ts';
import type { ApiDeps } from './deps.ts';
import type { ProblemCode } from './errors.ts';
import { readIdempotencyKey } from './middleware/idempotency-key.ts';
import { type Part, validate } from './middleware/validate.ts';

export const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
export type Method = (typeof METHODS)[number];

/** One kind of answer. Without a schema the body is not JSON of ours, or there is none. */
export type Answer = {
  readonly description: string;
  readonly schema?: z.ZodType;
  /** Laid over the example that is made of the schema, where that would mislead. */
  readonly example?: object;
  /** `application/json` unless another is named. Of several, the reply's headers tell which. */
  readonly contentType?: string | readonly string[];
};
export type Reply = {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};

/** A request as it came in, before an operation looks at it. */
export type Incoming = {
  readonly caller: Caller;
  readonly requestId: string;
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly query: unknown;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly remoteAddress: string;
  /** When all of it had come, by the clock of `performance`, less what it took to let it in. */
  readonly arrivedMs: number;
  /** For what reads the bytes itself. */
  readonly raw: IncomingMessage;
};

/** The same, as the operation declared it. */
export type Call<A extends Access, Q, B> = Omit<
  Incoming,
  'caller' | 'query' | 'body' | 'params'
> & {
  readonly caller: CallerOf<A>;
  /** A segment of the path. */
  readonly param: (name: string) => string;
  readonly query: Q;
  readonly body: B;
  /** Where `isIdempotent`; else empty. */
  readonly idempotencyKey: string;
};

type Description<A extends Access> = {
  /** Unique, camelCase: the name of the call in generated clients. */
  readonly id: string;
  readonly method: Method;
  /** With `{name}` for parts that vary. */
  readonly path: `/${string}`;
  readonly tag: Tag;
  readonly summary: string;
  readonly description?: string;
  readonly access: A;
  /** For `open` ones: which limit counts their requests, by address. */
  readonly limit?: LimitName;
  /** Needs an Idempotency-Key. */
  readonly isIdempotent?: true;
  /** The body may be left out; it is an empty object then. */
  readonly isBodyOptional?: true;
  /** Waits for a workflow, within the figure of `answerTimeOf`, and takes `Prefer: wait`. */
  readonly isWaiting?: true;
  /** A reading that is kept like an operator's act: it shows what is personal, or very much. */
  readonly audited?: true;
  readonly answers: Readonly<Record<number, Answer>>;
  /** Beyond those that follow from the rest of the declaration. */
  readonly problems?: readonly ProblemCode[];
};

/** One endpoint: its router entry, its checks and its page of the reference come from this. */
export type Operation = Description<Access> & {
  readonly query: z.ZodType | null;
  readonly body: z.ZodType | null;
  run(deps: ApiDeps, incoming: Incoming): Promise<Reply>;
};

/** The chapters of the reference, in their order. */
export const TAGS = {
  // table
  Payments: 'One payment is one durable workflow; it says where it stands and what comes next',
  Refunds: 'Money back, in full or in parts, as safe as the payment itself',
  'Provider configurations': 'Your own accounts at the providers; secrets go in and stay in',
  'Webhook endpoints': 'Where we tell you what happened, signed by Standard Webhooks',
  Events: 'What happened, in order, for webhooks and for the live feed',
  'API keys': 'Your keys: create, rotate, revoke',
  'Signing in': 'How operators come to an access token',
  Operators: 'What operators see and do, over all merchants',
  'Provider callbacks': 'Where providers tell us; not for merchants',
  Health: 'For load balancers and for people',
  Reference: 'This reference, and pages about problems',
} as const satisfies Record<string, string>;
export type Tag = keyof typeof TAGS;

/** Declares an endpoint; what it takes is checked before `handle` sees it. */
export function declare<
  A extends Access,
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
>(
  declared: Description<A> & {
    readonly query?: Q;
    readonly body?: B;
    handle(deps: ApiDeps, call: Call<A, z.output<Q>, z.output<B>>): Promise<Reply>;
  },
): Operation {
  const { query, body, ...rest } = declared;
  return {
    ...rest,
    query: query ?? null,
    body: body ?? null,
    run: (deps, incoming) => {
      const { caller, params, query: givenQuery, body: givenBody, ...others } = incoming;
      if (!isCallerOf(rest.access, caller)) throw new Error(`${rest.id} was called by a stranger`);
      return declared.handle(deps, {
        ...others,
        caller,
        param: (name) => params[name] ?? '',
        idempotencyKey: rest.isIdempotent === true ? keyOf(incoming) : '',
        query: read(query, givenQuery, 'query'),
        body: read(body, givenBody, 'body'),
      });
    },
  };
}

/** Every problem that it may answer with: those that follow from the declaration, and its own. */
export function listProblems(operation: Operation): readonly ProblemCode[] {
  const { access, query, body, isIdempotent, path, problems = [] } = operation;
  const follow: readonly (readonly [boolean, readonly ProblemCode[]])[] = [
    [access.kind !== 'open', ['unauthorized', 'forbidden']],
    [query !== null || body !== null, ['invalid_request']],
    [body !== null, BODY_PROBLEMS],
    [isIdempotent === true, KEY_PROBLEMS],
    [path.includes('{'), ['not_found']],
    [true, COMMON_PROBLEMS],
  ];
  const codes = follow.flatMap(([applies, of]) => (applies ? of : []));
  return [...new Set([...codes, ...problems])];
}

/** Some are answered before anybody knows which operation was meant. */
const COMMON_PROBLEMS = [
  'malformed_request',
  'request_timeout',
  'headers_too_large',
  'rate_limited',
  'internal_error',
  'temporarily_unavailable',
] as const;
const BODY_PROBLEMS = [
  'malformed_json',
  'unsupported_media_type',
  'body_too_large',
  'card_number',
] as const;
const KEY_PROBLEMS = [
  'idempotency_key_missing',
  'idempotency_key_malformed',
  'idempotency_key_reused',
  'card_number',
] as const;

function isCallerOf<A extends Access>(access: A, caller: Caller): caller is CallerOf<A> {
  return access.kind === caller.kind;
}

function keyOf({ headers }: Incoming): string {
  const header = headers['idempotency-key'];
  return readIdempotencyKey(typeof header === 'string' ? header : '');
}

function read<T extends z.ZodType>(schema: T | undefined, value: unknown, part: Part): z.output<T> {
  // Left out, `T` is ZodUndefined by its default, whose output is undefined.
  return schema === undefined ? (undefined as z.output<T>) : validate(schema, value, part);
}
