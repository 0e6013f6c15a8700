import { adaptSchema, isTree, type Tree } from './adapt.ts';

const COMPONENTS = '#/components/schemas/';

/**
 * The same document, such that generators make clients of it that work unmended (ADR 0029): each
 * body and each list has a name, and its schemas use only words that generators understand.
 */
export function prepareForGenerators(described: object): Tree {
  const document: Tree = JSON.parse(JSON.stringify(described));
  const components = treeOf(treeOf(document.components).schemas);
  const operations = listOperations(document.paths);
  for (const operation of operations) nameParts(operation, components);
  const requests = listReached(
    operations.map(({ requestBody }) => requestBody),
    components,
  );
  for (const [name, schema] of Object.entries(components)) {
    components[name] = adaptSchema(schema, !requests.has(name));
  }
  for (const operation of [...operations, ...listOperations(document.webhooks)]) {
    for (const place of listPlaces(operation)) {
      place.schema = adaptSchema(place.schema, place.in === undefined);
    }
  }
  return document;
}

/** The body of `createPayment` becomes `CreatePaymentRequest`, a list of payments `PaymentList`. */
function nameParts(operation: Tree, components: Tree): void {
  const { operationId, requestBody, responses } = operation;
  const id = String(operationId);
  const name = `${id.charAt(0).toUpperCase()}${id.slice(1)}Request`;
  const move = (media: Tree, to: string) => {
    const { example, ...schema } = treeOf(media.schema);
    components[to] ??= schema;
    media.schema = { $ref: `${COMPONENTS}${to}` };
    media.example ??= example;
  };
  for (const media of listMedia(requestBody)) move(media, name);
  for (const media of Object.values(treeOf(responses)).flatMap(listMedia)) {
    const item = treeOf(treeOf(treeOf(media.schema).properties).data);
    const of = nameOf(treeOf(item.items));
    if (of !== null) move(media, `${of}List`);
  }
}

function nameOf({ $ref }: Tree): string | null {
  return typeof $ref === 'string' ? $ref.slice(COMPONENTS.length) : null;
}

/** The names of all components that these parts of the document lead to. */
function listReached(parts: readonly unknown[], components: Tree): ReadonlySet<string> {
  const reached = new Set<string>();
  const visit = (part: unknown): void => {
    if (Array.isArray(part)) part.forEach(visit);
    if (!isTree(part)) return;
    const name = nameOf(part);
    if (name !== null && !reached.has(name)) {
      reached.add(name);
      visit(components[name]);
    }
    Object.values(part).forEach(visit);
  };
  parts.forEach(visit);
  return reached;
}

function treeOf(value: unknown): Tree {
  return isTree(value) ? value : {};
}

function listOperations(paths: unknown): readonly Tree[] {
  const items = Object.values(treeOf(paths)).filter(isTree);
  return items.flatMap((item) => Object.values(item)).filter(isTree);
}

function listMedia(body: unknown): readonly Tree[] {
  return Object.values(treeOf(treeOf(body).content)).filter(isTree);
}

/** What has a schema: parameters, with `in`, and the media of bodies and answers. */
function listPlaces({ parameters, requestBody, responses }: Tree): readonly Tree[] {
  const given = Array.isArray(parameters) ? parameters.filter(isTree) : [];
  const answers = Object.values(treeOf(responses));
  return [...given, ...[requestBody, ...answers].flatMap(listMedia)];
}
