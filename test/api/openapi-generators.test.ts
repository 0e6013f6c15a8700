import { isTree, type Tree } from '../../api/reference/adapt.ts';
import { openDocument } from '../described.ts';

/**
 * What generators of clients and linters of the document cannot take, as rules over the document
 * (ADR 0029). test/operations/generated-clients.test.ts makes such clients and uses them.
 */
type Node = {
  /** Where it stands, such as `Payment.failure`. */
  readonly at: string;
  readonly schema: Tree;
  readonly isComponent: boolean;
  /** The members of the choice that it is one of. */
  readonly choice: readonly unknown[];
  /** We send it. */
  readonly isAnswer: boolean;
};
const treeOf = (value: unknown): Tree => (isTree(value) ? value : {});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const COMPONENTS = '#/components/schemas/';

function listOperations(document: Tree, chapter: 'paths' | 'webhooks') {
  return Object.entries(treeOf(document[chapter])).flatMap(([path, item]) =>
    Object.entries(treeOf(item)).map(([method, it]) => ({
      at: `${chapter} ${method} ${path}`,
      operation: treeOf(it),
    })),
  );
}

function listSchemas(document: Tree): readonly Node[] {
  const components = treeOf(treeOf(document.components).schemas);
  const paths = listOperations(document, 'paths');
  const requested = reach(
    paths.map(({ operation }) => operation.requestBody),
    components,
  );
  return [
    ...Object.entries(components).flatMap(([at, schema]) =>
      listNodes(schema, { at, isComponent: true, choice: [], isAnswer: !requested.has(at) }),
    ),
    ...[...paths, ...listOperations(document, 'webhooks')].flatMap(({ at, operation }) =>
      [
        ...listOf(operation.parameters).map((it) => [it, false] as const),
        ...listMedia(operation.requestBody).map((it) => [it, at.startsWith('webhooks')] as const),
        ...Object.values(treeOf(operation.responses)).flatMap((response) =>
          listMedia(response).map((it) => [it, true] as const),
        ),
      ].flatMap(([place, isAnswer]) =>
        listNodes(treeOf(place).schema, { at, isComponent: false, choice: [], isAnswer }),
      ),
    ),
  ];
}

const listMedia = (body: unknown) => Object.values(treeOf(treeOf(body).content));

function listNodes(schema: unknown, place: Omit<Node, 'schema'>): readonly Node[] {
  if (!isTree(schema)) return [];
  const { at, isAnswer } = place;
  const inside = (part: unknown, step: string, choice: readonly unknown[] = []) =>
    listNodes(part, { at: `${at}${step}`, isComponent: false, choice, isAnswer });
  const choices = ['anyOf', 'oneOf', 'allOf'].map((word) => listOf(schema[word]));
  return [
    { ...place, schema },
    ...Object.entries(treeOf(schema.properties)).flatMap(([name, it]) => inside(it, `.${name}`)),
    ...inside(schema.items, '[]'),
    ...inside(schema.additionalProperties, '.*'),
    ...choices.flatMap((choice) => choice.flatMap((it, index) => inside(it, `|${index}`, choice))),
  ];
}

/** The components that requests lead to. */
function reach(parts: readonly unknown[], components: Tree, known = new Set<string>()) {
  for (const [, name = ''] of JSON.stringify(parts).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
    if (known.has(name)) continue;
    known.add(name);
    reach([components[name]], components, known);
  }
  return known;
}

const isRef = (schema: unknown) => String(treeOf(schema).$ref).startsWith(COMPONENTS);
const typesOf = ({ type }: Tree): readonly unknown[] => (Array.isArray(type) ? type : [type]);

/** Each says what is wrong with a schema; the reasons are in ADR 0029. */
const SCHEMA_RULES: Readonly<Record<string, (node: Node) => boolean>> = {
  // table
  'is null alone': ({ schema, choice }) =>
    schema.type === 'null' && !(choice.length === 2 && choice.some(isRef)),
  'chooses between more than a component and null': ({ schema }) =>
    schema.oneOf !== undefined ||
    schema.allOf !== undefined ||
    (schema.anyOf !== undefined &&
      !listOf(schema.anyOf).every((it) => isRef(it) || treeOf(it).type === 'null')),
  'has a pattern beside a format': ({ schema }) =>
    schema.pattern !== undefined && schema.format !== undefined,
  'has a constant that is no text': ({ schema }) =>
    schema.const !== undefined && typeof schema.const !== 'string',
  'has a default that is no plain value': ({ schema }) => typeof schema.default === 'object',
  'is an object without a name': ({ schema, isComponent }) =>
    schema.properties !== undefined && !isComponent,
  'is an enumeration with a name': ({ schema, isComponent }) =>
    schema.enum !== undefined && isComponent,
  'is an integer of unknown size': ({ schema }) =>
    typesOf(schema).includes('integer') && !/^int(32|64)$/.test(String(schema.format)),
  'takes anything by an empty schema': ({ schema }) =>
    isTree(schema.additionalProperties) && Object.keys(schema.additionalProperties).length === 0,
  'may gain no names': ({ schema, isAnswer }) => isAnswer && schema.enum !== undefined,
  'may gain no fields': ({ schema, isAnswer }) =>
    isAnswer && schema.properties !== undefined && schema.additionalProperties !== true,
  'takes unknown names from others': ({ schema, isAnswer }) =>
    !isAnswer && schema['x-extensible-enum'] !== undefined,
  'takes unknown fields from others': ({ schema, isAnswer }) =>
    !isAnswer && schema.properties !== undefined && schema.additionalProperties !== false,
};

function faultsOf(document: Tree): readonly string[] {
  const names = Object.keys(treeOf(treeOf(document.components).schemas));
  const examples = Object.keys(treeOf(treeOf(document.components).examples));
  const text = JSON.stringify([document.paths, document.webhooks]);
  const operations = listOperations(document, 'paths');
  const webhooks = listOperations(document, 'webhooks');
  const taken = operations.flatMap(({ operation }) => listOf(operation.tags));
  return [
    ...listSchemas(document).flatMap((node) =>
      Object.entries(SCHEMA_RULES)
        .filter(([, isFaulty]) => isFaulty(node))
        .map(([fault]) => `${node.at} ${fault}`),
    ),
    // In Go the function that makes an ApiKey is NewApiKey.
    ...names
      .filter((name) => names.includes(name.replace(/^New/, '')) && name.startsWith('New'))
      .map((name) => `${name} is named like a function in Go`),
    ...webhooks
      .filter(({ operation }) => listOf(operation.tags).some((tag) => taken.includes(tag)))
      .map(({ at }) => `${at} shares a tag with operations`),
    ...[...operations, ...webhooks].flatMap(({ at, operation }) => [
      ...(Array.isArray(operation.security) ? [] : [`${at} says nothing of its security`]),
      ...(listOf(operation.tags).length === 1 ? [] : [`${at} has not one tag`]),
    ]),
    ...operations
      .filter(({ operation }) => !operation.description)
      .map(({ at }) => `${at} has no description`),
    ...examples
      .filter((name) => !text.includes(`"#/components/examples/${name}"`))
      .map((name) => `the example ${name} is not used`),
    ...(isTree(treeOf(document.info).contact) ? [] : ['info has no contact']),
  ];
}

const TEXT = JSON.stringify(openDocument().document);
const copy = (): Tree => JSON.parse(TEXT);

test('generators and linters take the document as it is', () => {
  expect(faultsOf(copy())).toEqual([]);
});

const schemaOf = (document: Tree, name: string) =>
  treeOf(treeOf(treeOf(document.components).schemas)[name]);
const fieldOf = (document: Tree, name: string, field: string) =>
  treeOf(treeOf(schemaOf(document, name).properties)[field]);
const webhookOf = (document: Tree) =>
  treeOf(treeOf(treeOf(document.webhooks)['payment.succeeded']).post);
const PAGE = 'PaymentList';

// biome-ignore format: table, one case per line
test.each<readonly [string, (document: Tree) => object]>([
  ['PaymentList.next_cursor is null alone', (it) => ({ of: fieldOf(it, PAGE, 'next_cursor'), type: 'null' })],
  ['PaymentList.next_cursor|1 is null alone', (it) => ({ of: fieldOf(it, PAGE, 'next_cursor'), anyOf: [{ type: 'string' }, { type: 'null' }] })],
  ['Payment.status chooses between more than a component and null', (it) => ({ of: fieldOf(it, 'Payment', 'status'), anyOf: [{ type: 'string' }, { type: 'integer', format: 'int64' }] })],
  ['Payment.created_at has a pattern beside a format', (it) => ({ of: fieldOf(it, 'Payment', 'created_at'), pattern: '.' })],
  ['PaymentList.has_more has a constant that is no text', (it) => ({ of: fieldOf(it, PAGE, 'has_more'), const: false })],
  ['CreatePaymentRequest.customer has a default that is no plain value', (it) => ({ of: fieldOf(it, 'CreatePaymentRequest', 'customer'), default: {} })],
  ['Payment.customer is an object without a name', (it) => ({ of: fieldOf(it, 'Payment', 'customer'), properties: {}, additionalProperties: true })],
  ['Workflow is an enumeration with a name', (it) => ({ of: schemaOf(it, 'Workflow'), enum: ['it'] })],
  ['Payment.amount is an integer of unknown size', (it) => ({ of: fieldOf(it, 'Payment', 'amount'), format: undefined })],
  ['AuditEntry.details takes anything by an empty schema', (it) => ({ of: fieldOf(it, 'AuditEntry', 'details'), additionalProperties: {} })],
  ['Problem.code may gain no names', (it) => ({ of: fieldOf(it, 'Problem', 'code'), enum: ['not_found'] })],
  ['Payment may gain no fields', (it) => ({ of: schemaOf(it, 'Payment'), additionalProperties: false })],
  ['DeliveredEvent may gain no fields', (it) => ({ of: schemaOf(it, 'DeliveredEvent'), additionalProperties: false })],
  ['CreatePaymentRequest.currency takes unknown names from others', (it) => ({ of: fieldOf(it, 'CreatePaymentRequest', 'currency'), 'x-extensible-enum': ['KES'] })],
  ['CreatePaymentCustomer takes unknown fields from others', (it) => ({ of: schemaOf(it, 'CreatePaymentCustomer'), additionalProperties: true })],
  ['NewPayment is named like a function in Go', (it) => ({ of: treeOf(treeOf(it.components).schemas), NewPayment: {} })],
  ['webhooks post payment.succeeded shares a tag with operations', (it) => ({ of: webhookOf(it), tags: ['Payments'] })],
  ['webhooks post payment.succeeded says nothing of its security', (it) => ({ of: webhookOf(it), security: undefined })],
  ['webhooks post payment.succeeded has not one tag', (it) => ({ of: webhookOf(it), tags: [] })],
  ['paths get /livez has no description', (it) => ({ of: treeOf(treeOf(treeOf(it.paths)['/livez']).get), description: '' })],
  ['the example teapot is not used', (it) => ({ of: treeOf(treeOf(it.components).examples), teapot: {} })],
  ['info has no contact', (it) => ({ of: treeOf(it.info), contact: undefined })],
])('“%s” would be seen', (fault, change) => {
  const document = copy();
  const { of, ...changes } = Object.assign({ of: {} }, change(document));
  Object.assign(of, changes);
  expect(faultsOf(document)).toContain(fault);
});
