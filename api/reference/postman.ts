import type { Access } from '../../domain/access.ts';
import { PROBLEMS } from '../errors.ts';
import { listProblems, type Operation, TAGS } from '../operation.ts';

const SCHEMA = 'https://schema.getpostman.com/json/collection/v2.1.0/collection.json';
const DESCRIPTION = `Fill in the variables \`api_key\`, \`email\` and \`password\` (\`npm start\`
prints them), then send the requests one by one or run the whole collection: each one keeps the ids
that the next ones need. With \`provider\` = \`cpay\` payments succeed at once.`;

/** What a person may change; the rest is filled in by answers. */
const GIVEN = {
  // table
  api_key: '',
  email: 'admin@sandbox.malipo.test',
  password: '',
  new_password: '',
  provider: 'cpay',
  url: 'https://shop.example.com/malipo',
  code: 'rate_limited',
  file: 'start.js',
} as const;
/** Values of examples, and the variables that are sent in their place. */
const FROM_VARIABLES: Readonly<Record<string, string>> = {
  // table
  mpesa: '{{provider}}',
  'you@example.com': '{{email}}',
  'your pass phrase': '{{password}}',
  'another pass phrase': '{{new_password}}',
  'rt_…': '{{refresh_token}}',
  'https://shop.example.com/malipo': '{{url}}',
};
const TOKENS = ['access_token', 'refresh_token'];
/** Their senders are providers, and prove it. */
const LEFT_OUT: readonly string[] = ['Provider callbacks'] satisfies (keyof typeof TAGS)[];

/** It ends the session that the other requests need. */
const LAST = 'signOut';

/** A Postman collection (v2.1) of these operations, a folder for each chapter. */
export function describeCollection(operations: readonly Operation[], serverUrl: string) {
  const folders = Object.keys(TAGS).filter((tag) => !LEFT_OUT.includes(tag));
  const variables = { base_url: serverUrl, ...GIVEN };
  return {
    info: { name: 'Malipo', schema: SCHEMA, description: DESCRIPTION },
    variable: Object.entries(variables).map(([key, value]) => ({ key, value })),
    item: [
      ...folders.map((tag) => ({
        name: tag,
        item: operations
          .filter((operation) => operation.tag === tag && operation.id !== LAST)
          // What is deleted can no longer be asked about.
          .toSorted((one, other) => rankOf(one) - rankOf(other))
          .map(describeRequest),
      })),
      { name: 'At the end', item: operations.filter(({ id }) => id === LAST).map(describeRequest) },
    ],
  };
}

function rankOf({ method }: Operation): number {
  return method === 'delete' ? 1 : 0;
}

function describeRequest(operation: Operation) {
  const { id, method, summary, path, description, body } = operation;
  return {
    name: `${summary} (${id})`,
    request: {
      method: method.toUpperCase(),
      description: description ?? summary,
      url: `{{base_url}}${fillPath(path)}`,
      header: headersOf(operation),
      ...(body === null ? {} : { body: { mode: 'raw', raw: fillBody(operation) } }),
    },
    event: [{ listen: 'test', script: { type: 'text/javascript', exec: scriptOf(operation) } }],
  };
}

const TOKEN_OF: Readonly<Record<Access['kind'], string | null>> = {
  open: null,
  merchant: '{{api_key}}',
  operator: '{{access_token}}',
};

function headersOf({ access, body, isIdempotent }: Operation) {
  const token = TOKEN_OF[access.kind];
  const headers: Readonly<Record<string, string | null>> = {
    Authorization: token === null ? null : `Bearer ${token}`,
    'Content-Type': body === null ? null : 'application/json',
    'Idempotency-Key': isIdempotent === true ? '{{$guid}}' : null,
  };
  return Object.entries(headers).flatMap(([key, value]) => (value === null ? [] : { key, value }));
}

/** `/payments/{id}` becomes `/payments/{{payment_id}}`; other names stay themselves. */
function fillPath(path: string): string {
  return path
    .replaceAll(/([\w-]+)\/\{(?:id|key_id)\}/g, (_, noun: string) => `${noun}/{{${idOf(noun)}}}`)
    .replaceAll(/(?<!\{)\{(\w+)\}(?!\})/g, '{{$1}}');
}

/** `webhook-endpoints` becomes `webhook_endpoint_id`. */
function idOf(plural: string): string {
  const singular = plural.replace(/ies$/, 'y').replace(/s$/, '');
  return `${singular.replaceAll('-', '_')}_id`;
}

/** The example that stands at the schema. */
export function exampleOf({ body }: Operation): unknown {
  return body?.meta()?.example ?? {};
}

function fillBody(operation: Operation): string {
  const fill = (_name: string, value: unknown) =>
    typeof value === 'string' ? (FROM_VARIABLES[value] ?? value) : value;
  return JSON.stringify(exampleOf(operation), fill, 2);
}

/** Holds the answer against what is described, and keeps the ids that it brings. */
function scriptOf(operation: Operation): readonly string[] {
  const { id, answers, path } = operation;
  const problems = listProblems(operation).map((code) => PROBLEMS[code].status);
  const statuses = [...new Set([...Object.keys(answers).map(Number), ...problems])];
  const described = statuses.filter((status) => status !== 401 && status < 500);
  const noun = path.split('/').at(-1) ?? '';
  return [
    `pm.test('${id} answers as described', () =>`,
    `  pm.expect(pm.response.code).to.be.oneOf([${described.join(', ')}]));`,
    "const isJson = /[/+]json\\b/.test(pm.response.headers.get('Content-Type') || '');",
    'const said = isJson ? pm.response.json() : {};',
    'const keep = (name, value) => value && pm.collectionVariables.set(name, value);',
    ...TOKENS.map((name) => `keep('${name}', said.${name});`),
    ...(noun.startsWith('{') ? [] : [`keep('${idOf(noun)}', (said.data || [said])[0]?.id);`]),
  ];
}
