/** A part of the document, as JSON. */
export type Tree = Record<string, unknown>;

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What does not fit into the 32 bits that generators give to integers without a format. */
const INT32_MAX = 2 ** 31 - 1;

/**
 * The schema in words that generators understand; ADR 0029 says what each of them does without
 * this. The same JSON is valid, but answers may gain fields and names.
 * @param isAnswer whether we send it, as an answer or a webhook.
 */
export function adaptSchema(given: unknown, isAnswer: boolean): unknown {
  if (!isTree(given)) return given;
  const schema = adaptParts(mergeNull(given), isAnswer);
  const rules: readonly ((schema: Tree) => Tree)[] = [
    dropPattern,
    dropDefault,
    widenInteger,
    ...(isAnswer ? [openFields, openNames] : []),
  ];
  return rules.reduce((before, apply) => apply(before), schema);
}

function adaptParts(schema: Tree, isAnswer: boolean): Tree {
  const adapt = (part: unknown) => adaptSchema(part, isAnswer);
  const { properties, items, additionalProperties, anyOf, ...rest } = schema;
  const fields = isTree(properties) ? Object.entries(properties) : [];
  return {
    ...rest,
    ...(properties === undefined
      ? {}
      : { properties: Object.fromEntries(fields.map(([name, it]) => [name, adapt(it)])) }),
    ...(items === undefined ? {} : { items: adapt(items) }),
    ...(additionalProperties === undefined
      ? {}
      : { additionalProperties: isAnything(additionalProperties) || adapt(additionalProperties) }),
    ...(Array.isArray(anyOf) ? { anyOf: anyOf.map(adapt) } : {}),
  };
}

/** The empty schema takes anything, as `true` does; Go makes pointers of it. */
function isAnything(schema: unknown): boolean {
  return isTree(schema) && Object.keys(schema).length === 0;
}

/** `anyOf` a type and null becomes two types; beside a `$ref` it has to stay. */
function mergeNull(schema: Tree): Tree {
  const { anyOf, ...rest } = schema;
  if (!Array.isArray(anyOf) || anyOf.length !== 2) return schema;
  const [one, other]: readonly unknown[] = anyOf;
  if (!isTree(one) || !isTree(other) || other.type !== 'null') return schema;
  if (typeof one.type !== 'string') return schema;
  const names = Array.isArray(one.enum) ? { enum: [...one.enum, null] } : {};
  return { ...one, ...rest, type: [one.type, 'null'], ...names };
}

/** The format says it; the pattern says it again in a way that fails where times are objects. */
function dropPattern({ pattern, ...rest }: Tree): Tree {
  return pattern === undefined || rest.format !== undefined ? rest : { pattern, ...rest };
}

/** Only a plain default is code in every language; that a field may be left out is said anyway. */
function dropDefault({ default: value, ...rest }: Tree): Tree {
  return value === undefined || typeof value === 'object' ? rest : { default: value, ...rest };
}

function widenInteger(schema: Tree): Tree {
  const types: readonly unknown[] = Array.isArray(schema.type) ? schema.type : [schema.type];
  if (!types.includes('integer') || schema.format !== undefined) return schema;
  const { exclusiveMinimum, ...rest } = schema;
  const least = exclusiveMinimum === 0 ? { minimum: 1 } : {};
  const { maximum } = schema;
  const isSmall = typeof maximum === 'number' && maximum <= INT32_MAX;
  return { ...rest, ...least, format: isSmall ? 'int32' : 'int64' };
}

/** A later version may say more; generated clients refuse a field that is not allowed for. */
function openFields(schema: Tree): Tree {
  return schema.properties === undefined ? schema : { ...schema, additionalProperties: true };
}

/** A later version may know more names; generated clients refuse what an `enum` lacks. */
function openNames({ enum: names, ...rest }: Tree): Tree {
  if (!Array.isArray(names)) return rest;
  return { ...rest, 'x-extensible-enum': names.filter((name) => name !== null) };
}
