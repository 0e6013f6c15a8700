import type { AnyValidateFunction } from 'ajv/dist/core.js';
import { PROBLEMS } from '../../api/errors.ts';
import { listProblems } from '../../api/operation.ts';
import { OPERATIONS } from '../../api/operations.ts';
import { UNNAMED } from '../../api/reference/examples.ts';
import { type Document, openDocument, pointTo } from '../described.ts';

/** What the reference shows is what it describes, and nothing is left without words. */

/** All JSON of the document, and where it stands. */
function listMedia(document: Document) {
  return [...Object.entries(document.paths), ...Object.entries(document.webhooks)].flatMap(
    ([path, methods]) =>
      Object.entries(methods).flatMap(([method, { requestBody, responses }]) => {
        const within = [path in document.paths ? 'paths' : 'webhooks', path, method];
        const bodies = [
          [[...within, 'requestBody'], requestBody] as const,
          ...Object.entries(responses).map(
            ([status, response]) => [[...within, 'responses', status], response] as const,
          ),
        ];
        return bodies.flatMap(([at, body]) =>
          Object.entries(body?.content ?? {})
            .filter(([type]) => /[/+]json$/.test(type))
            .map(([type, media]) => ({ place: [...at, 'content', type], media })),
        );
      }),
  );
}

test('each JSON that is sent or answered has examples, and they are what its schema takes', () => {
  const { ajv, document } = openDocument();
  const told = listMedia(document);
  expect(told.length).toBeGreaterThan(700);
  const compiled = new Map<string, AnyValidateFunction>();
  for (const { place, media } of told) {
    const references = Object.values(media.examples ?? {});
    const values = references.map(
      ({ $ref }) => document.components.examples[$ref.slice(22)]?.value,
    );
    const { example } = media.schema;
    const examples = [media.example ?? example, ...values].filter((it) => it !== undefined);
    expect([place, examples.length > 0]).toEqual([place, true]);
    const schema = JSON.stringify(media.schema);
    // The same schema stands in many places, and takes a while to compile.
    const isValid = compiled.get(schema) ?? ajv.getSchema(pointTo(...place, 'schema'));
    if (isValid !== undefined) compiled.set(schema, isValid);
    for (const shown of examples) {
      expect([place, shown, isValid?.(shown)]).toEqual([place, shown, true]);
      expect([place, shown]).not.toEqual([place, {}]);
      // Remedy: an example by .meta() where the field is declared.
      expect([place, JSON.stringify(shown)]).not.toEqual([place, expect.stringContaining(UNNAMED)]);
    }
  }
});

test('each problem that an operation may answer with is shown there', () => {
  const { document } = openDocument();
  for (const operation of OPERATIONS) {
    const { responses } = document.paths[operation.path]?.[operation.method] ?? {};
    for (const code of listProblems(operation)) {
      const { status, title } = PROBLEMS[code];
      const media = responses?.[status]?.content?.['application/problem+json'];
      if (media === undefined) expect(operation.answers[status]).toBeDefined();
      else expect(Object.keys(media.examples ?? {})).toContain(code);
      expect(document.components.examples[code]).toMatchObject({ value: { code, status, title } });
    }
  }
});

test('each parameter says what it is for', () => {
  const { paths, webhooks } = openDocument().document;
  const described = [...Object.values(paths), ...Object.values(webhooks)]
    .flatMap((methods) => Object.values(methods))
    .flatMap(({ operationId, parameters = [] }) =>
      parameters.map(({ name, description }) => [operationId, name, description] as const),
    );
  expect(described.length).toBeGreaterThan(150);
  for (const [id, name, description] of described) {
    expect([id, name, description]).toEqual([id, name, expect.stringMatching(/\w{2}/)]);
  }
});

type Node = Readonly<Record<string, unknown>>;
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;

/** Every field below this place, by its path, and what is said of it. */
function listFields(node: unknown, place: string): readonly (readonly [string, unknown])[] {
  if (!isNode(node)) return [];
  const { properties } = node;
  const fields = isNode(properties) ? Object.entries(properties) : [];
  const own = fields.flatMap(([name, field]) => [
    [`${place}.${name}`, isNode(field) ? field.description : undefined] as const,
    ...listFields(field, `${place}.${name}`),
  ]);
  const within = Object.entries(node)
    .filter(([word]) => word !== 'properties' && word !== 'example' && word !== 'examples')
    .flatMap(([word, part]) =>
      listFields(part, /^[a-z_]+Of$|^\d+$/.test(word) ? place : `${place}/${word}`),
    );
  return [...own, ...within];
}

test('each field of each request, answer and webhook says what it is', () => {
  const fields = listFields(openDocument().document, '');
  expect(fields.length).toBeGreaterThan(500);
  const mute = fields.filter(([, words]) => typeof words !== 'string' || !/\w{2}/.test(words));
  expect(mute.map(([place]) => place)).toEqual([]);
});
