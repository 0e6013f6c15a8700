import { z } from 'zod';
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponsesObject,
} from 'zod-openapi';
import { type Access, SCOPES } from '../../domain/access.ts';
import {
  ApiError,
  PROBLEM_CODES,
  PROBLEMS,
  type ProblemCode,
  presentProblem,
  problemResponse,
} from '../errors.ts';
import { type Answer, listProblems, type Operation, TAGS } from '../operation.ts';
import { exampleId } from '../response.ts';
import { makeExample } from './examples.ts';
import { prepareForGenerators } from './generators.ts';
import { headersOf } from './headers.ts';
import { describePath, describeQuery } from './parameters.ts';
import { describeWebhooks, WEBHOOK_TAG } from './webhooks.ts';

const DESCRIPTION = `Each payment is one durable workflow. Amounts are integers of minor units: KES
150 is 15000. What creates something takes an Idempotency-Key; the same key with the same body is
the same payment or refund, however often it is sent. A result that nobody confirmed is
\`needs_review\`, never guessed. Errors are \`application/problem+json\` (RFC 9457) with a \`code\`,
and say how to mend them.`;

/** The OpenAPI 3.1 document of these operations. @param serverUrl where they are served. */
export function describeApi(operations: readonly Operation[], serverUrl: string) {
  const paths: ZodOpenApiPathsObject = {};
  for (const operation of operations) {
    paths[operation.path] = {
      ...paths[operation.path],
      [operation.method]: describeOperation(operation),
    };
  }
  const document = createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Malipo',
      version: 'v1',
      description: DESCRIPTION,
      contact: { name: 'Whoever runs this deployment', url: serverUrl },
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: serverUrl }],
    tags: [
      ...Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      WEBHOOK_TAG,
    ],
    paths,
    webhooks: describeWebhooks(),
    components: {
      examples: exampleProblems(operations, serverUrl),
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'A merchant’s API key, `sk_…`' },
        accessToken: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'An operator’s, by `POST /api/v1/sessions`; good for 15 minutes',
        },
      },
    },
  });
  return prepareForGenerators(document);
}

const SECURITY: Readonly<Record<Access['kind'], Record<string, string[]>[]>> = {
  open: [],
  merchant: [{ apiKey: [] }],
  operator: [{ accessToken: [] }],
};

function describeOperation(operation: Operation): ZodOpenApiOperationObject {
  const { id, tag, summary, access, query, body } = operation;
  const path = describePath(operation.path);
  return {
    operationId: id,
    tags: [tag],
    summary,
    description: [
      operation.description,
      operation.isWaiting === true ? WAITING : '',
      describeAccess(access),
    ]
      .filter(Boolean)
      .join('\n\n'),
    security: SECURITY[access.kind],
    requestParams: {
      ...(path === null ? {} : { path }),
      ...(query instanceof z.ZodObject ? { query: describeQuery(query) } : {}),
      ...describeHeaders(operation),
    },
    ...(body === null
      ? {}
      : {
          requestBody: {
            required: operation.isBodyOptional !== true,
            content: { 'application/json': { schema: body } },
          },
        }),
    responses: { ...describeAnswers(operation), ...describeProblems(operation) },
  };
}

function describeAccess(access: Access): string {
  if (access.kind === 'open') return 'Needs neither a key nor a token.';
  if (access.kind === 'operator') return `Needs the role \`${access.role}\`.`;
  return `Needs the scope \`${access.scope}\`: ${SCOPES[access.scope]}.`;
}

/** Where a merchant chooses the timeout of its HTTP client. */
const WAITING =
  'It waits for the first news, and answers within 8 seconds of the request’s arrival, database and Temporal included; a deployment may set another time, `api.start_wait_ms`. Give your HTTP client a longer timeout. `Prefer: wait=2` (RFC 7240) makes the wait 2 seconds at most, `Prefer: respond-async` leaves it out: then 202 says that it goes on, and webhooks, the live feed or a `GET` tell how.';

function describeHeaders({ isIdempotent, isWaiting }: Operation) {
  if (isIdempotent !== true) return {};
  return { header: isWaiting === true ? keyHeader.extend(preferHeader.shape) : keyHeader };
}

const preferHeader = z.object({
  Prefer: z.string().optional().meta({
    description: '`wait=` and whole seconds, or `respond-async`; other preferences are ignored',
    example: 'wait=2',
  }),
});

const keyHeader = z.object({
  'Idempotency-Key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/)
    .meta({ description: 'New for each payment or refund, the same in repetitions' }),
});

function describeAnswers(operation: Operation): ZodOpenApiResponsesObject {
  const described: ZodOpenApiResponsesObject = {};
  for (const [status, answer] of Object.entries(operation.answers)) {
    const { description, contentType = JSON_TYPE } = answer;
    const types = typeof contentType === 'string' ? [contentType] : contentType;
    const media = types.map((type) => [type, mediaOf(answer, type)] as const);
    const content = status === '204' ? {} : { content: Object.fromEntries(media) };
    described[`${Number(status)}` as `${1 | 2 | 3 | 4 | 5}${string}`] = {
      description,
      headers: headersOf(operation, Number(status)),
      ...content,
    };
  }
  return described;
}

const JSON_TYPE = 'application/json';

/** Without a schema it is not ours to describe: JSON of others, or no JSON. */
function mediaOf({ schema, example }: Answer, contentType: string) {
  if (schema !== undefined) {
    return { schema, example: Object.assign({}, makeExample(schema), example) };
  }
  if (contentType !== JSON_TYPE) return { schema: { type: 'string' as const } };
  return { schema: { type: 'object' as const }, example };
}

/** One response for each status, naming the codes that it may carry. */
function describeProblems(operation: Operation): ZodOpenApiResponsesObject {
  const byStatus = Map.groupBy(listProblems(operation), (code) => PROBLEMS[code].status);
  const described: ZodOpenApiResponsesObject = {};
  for (const [status, codes] of byStatus) {
    if (operation.answers[status] !== undefined) continue;
    described[`${status}` as `${1 | 2 | 3 | 4 | 5}${string}`] = {
      description: codes.map(describeProblem).join('\n'),
      headers: headersOf(operation, status),
      content: {
        'application/problem+json': { schema: problemResponse, examples: exampleRefsOf(codes) },
      },
    };
  }
  return described;
}

/** Each problem's example stands once, and each answer points to those that it may be. */
function exampleRefsOf(codes: readonly ProblemCode[]) {
  return Object.fromEntries(
    codes.map((code) => [code, { $ref: `#/components/examples/${code}` }] as const),
  );
}

function exampleProblems(operations: readonly Operation[], serverUrl: string) {
  const listed = new Set(operations.flatMap(listProblems));
  const fault = { pointer: '/amount', detail: 'must be a positive integer of minor units' };
  return Object.fromEntries(
    PROBLEM_CODES.filter((code) => listed.has(code)).map((code) => {
      const { title, remedy } = PROBLEMS[code];
      const faults = code === 'invalid_request' ? [fault] : [];
      const value = presentProblem(
        new ApiError(code, remedy, faults),
        exampleId('request'),
        serverUrl,
      );
      return [code, { summary: title, value }] as const;
    }),
  );
}

function describeProblem(code: ProblemCode): string {
  return `- \`${code}\`: ${PROBLEMS[code].title}`;
}
