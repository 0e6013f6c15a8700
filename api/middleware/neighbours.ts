import { z } from 'zod';

/** The fields that a request takes, each by its path. */
type Fields = readonly (readonly string[])[];
/** Without names, by which parts would stand elsewhere than in their place. */
export const WITHOUT_NAMES = {
  reused: 'inline',
  metadata: z.registry<{ id?: string | undefined }>(),
} as const;
const known = new WeakMap<z.ZodType, Fields>();

const LISTED_MAX = 12;

/**
 * What a sender of an unknown field may have meant: the field of that name in another place, one
 * that is spelled nearly so, else all that stand where it stood.
 */
export function suggest(schema: z.ZodType, path: readonly PropertyKey[], isQuery: boolean): string {
  const fields = known.get(schema) ?? listFields(schema);
  known.set(schema, fields);
  const near = findNear(fields, path);
  const here = isQuery ? 'is not a parameter here' : 'is not a field here';
  if (near !== null) return `${here}; did you mean /${near.join('/')}?`;
  const within = path.slice(0, -1);
  const beside = fields
    .filter((it) => it.length === path.length && within.every((part, at) => it[at] === part))
    .map((it) => it.at(-1));
  if (beside.length === 0) return here;
  const more = beside.length > LISTED_MAX ? ', …' : '';
  return `${here}; it takes ${beside.slice(0, LISTED_MAX).join(', ')}${more}`;
}

/** By the schema of the reference, so that no field can be missing here. */
function listFields(schema: z.ZodType): Fields {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', ...WITHOUT_NAMES });
  return fieldsOf(root, []);
}

function fieldsOf(
  { properties = {} }: z.core.JSONSchema.JSONSchema,
  within: readonly string[],
): Fields {
  return Object.entries(properties).flatMap(([name, field]) => {
    const path = [...within, name];
    return typeof field === 'boolean' ? [path] : [path, ...fieldsOf(field, path)];
  });
}

/** Names that others use for the same. */
const ALIASES: Readonly<Record<string, string>> = {
  // table
  amountminor: 'amount',
  card: 'payment_method',
  currencycode: 'currency',
  from: 'created_from',
  fullname: 'name',
  mobile: 'phone',
  msisdn: 'phone',
  page: 'cursor',
  pagesize: 'limit',
  perpage: 'limit',
  phonenumber: 'phone',
  redirecturl: 'return_url',
  returnto: 'return_url',
  since: 'created_from',
  startingafter: 'cursor',
  successurl: 'return_url',
  to: 'created_before',
  token: 'payment_method',
  until: 'created_before',
};

function findNear(fields: Fields, path: readonly PropertyKey[]): readonly string[] | null {
  const given = plain(String(path.at(-1) ?? '').slice(0, 60));
  // Somebody may send `constructor`, which every object has.
  const alias = Object.hasOwn(ALIASES, given) ? ALIASES[given] : undefined;
  const meant = plain(alias ?? given);
  const nameOf = (it: readonly string[]) => plain(it.at(-1) ?? '');
  const same = fields.find((it) => nameOf(it) === meant);
  if (same !== undefined) return same;
  const reach = meant.length < 5 ? 1 : 2;
  return fields.find((it) => isWithin(reach, meant, nameOf(it))) ?? null;
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/** Whether so few letters have to be added, left out or replaced to make one of the other. */
function isWithin(reach: number, one: string, other: string): boolean {
  if (Math.abs(one.length - other.length) > reach) return false;
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (const [at, letter] of one.split('').entries()) {
    const next = [at + 1];
    for (const [to, there] of other.split('').entries()) {
      const replaced = (row[to] ?? 0) + (letter === there ? 0 : 1);
      next.push(Math.min(replaced, (row[to + 1] ?? 0) + 1, (next[to] ?? 0) + 1));
    }
    row = next;
  }
  return (row[other.length] ?? reach + 1) <= reach;
}
