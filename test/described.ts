import { Ajv2020 } from 'ajv/dist/2020.js';
import { OPERATIONS } from '../api/operations.ts';
import { isTree } from '../api/reference/adapt.ts';
import { describeApi } from '../api/reference/openapi.ts';

type Body = {
  readonly headers?: object;
  readonly content?: Readonly<Record<string, Media>>;
};
type Media = {
  readonly schema: { readonly example?: unknown };
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly $ref: string }>>;
};
type Described = {
  readonly description?: string;
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly description?: string }[];
  readonly requestBody?: Body;
  readonly responses: Readonly<Record<string, Body>>;
};
/** The OpenAPI document, as far as tests look into it. */
export type Document = {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly webhooks: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, object>>;
    readonly examples: Readonly<Record<string, { readonly value: unknown }>>;
  };
};
export type Answered = {
  readonly method: string;
  /** With or without a query. */
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
};

const KEY = 'api';
/** Those that answers use; a format without a row does not compile. */
const FORMATS = {
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/,
  email: /^[^@\s]+@[^@\s]+$/,
  uri: (text: string) => URL.canParse(text),
  int32: { type: 'number', validate: (it: number) => Math.abs(it) < 2 ** 31 },
  int64: { type: 'number', validate: Number.isSafeInteger },
} as const;
/** How a path or a method that is not there is answered, or who comes too often. */
const WITHOUT_OPERATION = [404, 405, 429, 503];
const PROBLEM = `${KEY}#/components/schemas/Problem`;

/**
 * The document without the freedoms that it leaves to later versions: today's answers have no field
 * and no name beyond those that it lists.
 */
function withoutFreedoms(document: Document): Document {
  return JSON.parse(JSON.stringify(document), (_key, value: unknown) => {
    if (!isTree(value)) return value;
    const { 'x-extensible-enum': names, additionalProperties, ...rest } = value;
    const isClosed = rest.properties !== undefined && additionalProperties === true;
    const nothing = Array.isArray(rest.type) && rest.type.includes('null') ? [null] : [];
    return {
      ...rest,
      ...(additionalProperties === undefined ? {} : { additionalProperties }),
      ...(isClosed ? { additionalProperties: false } : {}),
      ...(Array.isArray(names) ? { enum: [...names, ...nothing] } : {}),
    };
  });
}

/** The document as it is served, and ajv with all its schemas; strict: an odd word is a fault. */
export function openDocument(serverUrl = 'https://pay.example.test') {
  const document: Document = JSON.parse(JSON.stringify(describeApi(OPERATIONS, serverUrl)));
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false, formats: FORMATS });
  ajv.addVocabulary(['example', ...Object.keys(document)]);
  ajv.addSchema(withoutFreedoms(document), KEY);
  return { document, ajv, routes: listRoutes(document) };
}

/** A place in the document, as `$ref` names it. */
export function pointTo(...steps: readonly string[]): string {
  const escaped = steps.map((step) => step.replaceAll('~', '~0').replaceAll('/', '~1'));
  return `${KEY}#/${escaped.map(encodeURIComponent).join('/')}`;
}

type Opened = ReturnType<typeof openDocument>;
let opened: Opened | null = null;

/** @throws Error for an answer whose status, content type or body the reference does not have. */
export function requireDescribed(answered: Answered): void {
  opened ??= openDocument();
  const fault = findFault(opened, answered);
  if (fault === null) return;
  const { method, path, status, text } = answered;
  throw new Error(`${method} ${path} answered ${status}: ${fault}\n${text.slice(0, 500)}`);
}

function findFault(api: Opened, answered: Answered): string | null {
  const { document, ajv } = api;
  const { status, headers, text } = answered;
  const method = answered.method.toLowerCase();
  if (method === 'options') return null;
  const type = (headers.get('content-type') ?? '').split(';')[0]?.trim() ?? '';
  const validate = (pointer: string) => {
    const isValid = ajv.getSchema(pointer);
    if (isValid === undefined) return `${pointer} is not there`;
    if (isValid(type.endsWith('json') ? JSON.parse(text) : text) === true) return null;
    return ajv.errorsText(isValid.errors, { dataVar: 'body' });
  };
  const named = method === 'head' ? 'get' : method;
  const path = findPath(api, answered.path, named);
  if (path === null) {
    if (!WITHOUT_OPERATION.includes(status)) return 'there is no such operation';
    return type === 'application/problem+json' ? validate(PROBLEM) : `it is ${type}`;
  }
  const response = document.paths[path]?.[named]?.responses[status];
  if (response === undefined) return 'the status is not described';
  const types = Object.keys(response.content ?? {});
  if (types.length === 0) return text === '' ? null : 'no body is described';
  const media = types.find((it) => it === type || it === '*/*');
  if (media === undefined) return `${type} is not described`;
  if (method === 'head') return null;
  const within = ['paths', path, named, 'responses', String(status), 'content', media, 'schema'];
  return validate(pointTo(...within));
}

type Route = { readonly path: string; readonly pattern: RegExp };

/** What is spelled out goes before what varies, as in OpenAPI. */
function listRoutes({ paths }: Document): readonly Route[] {
  return Object.keys(paths)
    .toSorted((one, other) => one.split('{').length - other.split('{').length)
    .map((path) => {
      const pattern = path.replaceAll(/[.]/g, '\\.').replaceAll(/\{\w+\}/g, '[^/]+');
      return { path, pattern: new RegExp(`^${pattern}/?$`, 'i') };
    });
}

function findPath({ document, routes }: Opened, asked: string, method: string): string | null {
  const [plain = ''] = asked.split('?');
  const found = routes.find(
    ({ path, pattern }) => document.paths[path]?.[method] !== undefined && pattern.test(plain),
  );
  return found?.path ?? null;
}
