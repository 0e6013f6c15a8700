import { Ajv2020 } from 'ajv/dist/2020.js';
import { openDocument, pointTo } from '../described.ts';

/**
 * The document is OpenAPI 3.1: the rules of the specification that a machine can hold it against
 * (there is no meta-schema of it at hand), and JSON Schema 2020-12 by ajv.
 */
type Tree = Record<string, unknown>;
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null;
const treeAt = (tree: Tree, ...steps: readonly string[]): Tree => {
  const value = steps.reduce<unknown>((at, step) => (isTree(at) ? at[step] : undefined), tree);
  return isTree(value) ? value : {};
};
const listAt = (tree: Tree, name: string): readonly Tree[] =>
  Object.values(treeAt(tree, name)).filter(isTree);

const FIELDS = {
  // table
  document: ['openapi', 'info', 'servers', 'tags', 'paths', 'webhooks', 'components', 'security'],
  operation: [
    'tags',
    'summary',
    'description',
    'operationId',
    'parameters',
    'requestBody',
    'responses',
    'security',
    'deprecated',
  ],
  parameter: [
    'name',
    'in',
    'description',
    'required',
    'deprecated',
    'schema',
    'example',
    'examples',
    'style',
    'explode',
  ],
  requestBody: ['description', 'content', 'required'],
  response: ['description', 'headers', 'content'],
  media: ['schema', 'example', 'examples'],
  header: ['description', 'required', 'schema', 'example'],
} as const;
const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options', 'trace'];

function faultsOf(document: Tree): readonly string[] {
  const ids = new Set<unknown>();
  return [
    ...(document.openapi === '3.1.0' ? [] : ['openapi: is not 3.1.0']),
    ...strange('document', document, ''),
    ...['title', 'version']
      .filter((name) => typeof treeAt(document, 'info')[name] !== 'string')
      .map((name) => `info: has no ${name}`),
    ...danglingRefs(document, document),
    ...['paths', 'webhooks'].flatMap((chapter) =>
      Object.entries(treeAt(document, chapter)).flatMap(([path, item]) =>
        Object.entries(isTree(item) ? item : {}).flatMap(([method, operation]) => {
          const place = `${chapter}${path} ${method}`;
          if (!METHODS.includes(method) || !isTree(operation)) return [`${place}: is no method`];
          const { operationId } = operation;
          const isTaken = ids.has(operationId) || typeof operationId !== 'string';
          ids.add(operationId);
          return [
            ...(isTaken ? [`${place}: operationId ${String(operationId)} is taken`] : []),
            ...faultsOfOperation(document, operation, place),
            ...faultsOfParameters(operation, path, place),
          ];
        }),
      ),
    ),
  ];
}

function strange(kind: keyof typeof FIELDS, tree: Tree, place: string): readonly string[] {
  const known: readonly string[] = FIELDS[kind];
  return Object.keys(tree)
    .filter((name) => !known.includes(name))
    .map((name) => `${place}: ${kind} has no ${name}`);
}

/** Each `$ref` of the whole tree has to lead somewhere. */
function danglingRefs(document: Tree, within: unknown): readonly string[] {
  if (!isTree(within)) return [];
  const { $ref } = within;
  const own =
    typeof $ref === 'string' &&
    Object.keys(treeAt(document, ...$ref.split('/').slice(1))).length === 0
      ? [`${$ref} leads nowhere`]
      : [];
  return [...own, ...Object.values(within).flatMap((part) => danglingRefs(document, part))];
}

function faultsOfOperation(document: Tree, operation: Tree, place: string): readonly string[] {
  const tags = listAt(document, 'tags').map(({ name }) => name);
  const schemes = Object.keys(treeAt(document, 'components', 'securitySchemes'));
  const asked = listAt(operation, 'security').flatMap((it) => Object.keys(it));
  const responses = Object.entries(treeAt(operation, 'responses'));
  const body = isTree(operation.requestBody) ? [operation.requestBody] : [];
  const contents = [...body, ...responses.map(([, response]) => response)].filter(isTree);
  return [
    ...strange('operation', operation, place),
    ...Object.values(treeAt(operation, 'tags'))
      .filter((tag) => !tags.includes(tag))
      .map((tag) => `${place}: the tag ${String(tag)} is not declared`),
    ...asked.filter((it) => !schemes.includes(it)).map((it) => `${place}: no scheme ${it}`),
    ...(responses.length === 0 ? [`${place}: has no responses`] : []),
    ...body.flatMap((it) => strange('requestBody', it, place)),
    ...responses.flatMap(([status, response]) => [
      ...(/^[1-5](\d\d|XX)$/.test(status) ? [] : [`${place}: ${status} is no status`]),
      ...(isTree(response) && typeof response.description === 'string'
        ? strange('response', response, `${place} ${status}`)
        : [`${place} ${status}: has no description`]),
      ...(isTree(response) ? listAt(response, 'headers') : []).flatMap((it) =>
        strange('header', it, `${place} ${status}`),
      ),
    ]),
    ...contents.flatMap((it) => listAt(it, 'content')).flatMap((it) => strange('media', it, place)),
  ];
}

/** What varies in a path is declared, required and nothing else; no name comes twice. */
function faultsOfParameters(operation: Tree, path: string, place: string): readonly string[] {
  const parameters = listAt(operation, 'parameters');
  const names = parameters.map((it) => `${String(it.in)} ${String(it.name)}`);
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => `path ${name}`);
  const declared = names.filter((name) => name.startsWith('path '));
  return [
    ...parameters.flatMap((it) => strange('parameter', it, place)),
    ...parameters
      .filter((it) => !isTree(it.schema) || (it.in === 'path' && it.required !== true))
      .map((it) => `${place}: ${String(it.name)} lacks its schema or is not required`),
    ...names
      .filter((name, index) => names.indexOf(name) !== index)
      .map((it) => `${place}: ${it} twice`),
    ...[...inPath, ...declared]
      .filter((name) => !inPath.includes(name) || !declared.includes(name))
      .map((name) => `${place}: ${name} is not both in the path and declared`),
  ];
}

/** The places of all schemas, as `$ref` names them. */
function listSchemas(tree: unknown, steps: readonly string[] = []): readonly string[] {
  if (!isTree(tree)) return [];
  return Object.entries(tree).flatMap(([name, part]) => {
    const within = [...steps, name];
    if (name === 'schema') return [pointTo(...within)];
    if (steps.join('/') === 'components/schemas') return [pointTo(...within)];
    return name === 'example' ? [] : listSchemas(part, within);
  });
}

const TEXT = JSON.stringify(openDocument().document);
const copy = (): Tree => JSON.parse(TEXT);

test('the document keeps the rules of OpenAPI 3.1', () => {
  expect(faultsOf(copy())).toEqual([]);
});

test('each schema is one of JSON Schema 2020-12 without an unknown word', () => {
  const { document, ajv } = openDocument();
  const schemas = listSchemas(document);
  expect(schemas.length).toBeGreaterThan(300);
  for (const schema of schemas)
    expect([schema, ajv.getSchema(schema)]).toEqual([schema, expect.any(Function)]);
});

const PAYMENT = ['paths', '/api/v1/payments/{id}', 'get'] as const;
// biome-ignore format: table, one case per line
test.each<readonly [string, (document: Tree) => void, string]>([
  ['another version', (it) => { it.openapi = '3.0.3'; }, 'openapi: is not 3.1.0'],
  ['a component that is gone', (it) => { delete treeAt(it, 'components', 'schemas').Payment; }, '#/components/schemas/Payment leads nowhere'],
  ['an id that comes twice', (it) => { treeAt(it, ...PAYMENT).operationId = 'createPayment'; }, 'operationId createPayment is taken'],
  ['a parameter that is not declared', (it) => { treeAt(it, ...PAYMENT).parameters = []; }, 'path id is not both'],
  ['a parameter that no path has', (it) => { treeAt(it, ...PAYMENT).parameters = [{ name: 'key', in: 'path', required: true, schema: {} }]; }, 'path key is not both'],
  ['a parameter that may be left out', (it) => { delete treeAt(it, ...PAYMENT, 'parameters', '0').required; }, 'id lacks its schema or is not required'],
  ['a status that is none', (it) => { treeAt(it, ...PAYMENT, 'responses').ok = { description: '' }; }, 'ok is no status'],
  ['an answer without words', (it) => { delete treeAt(it, ...PAYMENT, 'responses', '200').description; }, '200: has no description'],
  ['an unknown scheme', (it) => { treeAt(it, ...PAYMENT).security = [{ cookie: [] }]; }, 'no scheme cookie'],
  ['an unknown chapter', (it) => { treeAt(it, ...PAYMENT).tags = ['Money']; }, 'the tag Money is not declared'],
  ['a field that OpenAPI lacks', (it) => { treeAt(it, ...PAYMENT).body = {}; }, 'operation has no body'],
])('%s would be seen', (_what, change, fault) => {
  const document = copy();
  change(document);
  expect(faultsOf(document).join('\n')).toContain(fault);
});

test('a schema with an unknown word would be seen', () => {
  const ajv = new Ajv2020({ strict: true });
  expect(() => ajv.compile({ type: 'object', requried: ['id'] })).toThrow('unknown keyword');
});
