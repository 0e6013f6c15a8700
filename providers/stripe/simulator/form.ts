/** A parsed form: texts, and objects of them. A list is an object whose keys are numbers. */
export type Form = { readonly [key: string]: string | Form };

/** Reads `a[b][c]=d` as Stripe does (application/x-www-form-urlencoded with brackets). */
export function parseForm(text: string): Form {
  const root: Record<string, unknown> = Object.create(null);
  for (const [name, value] of new URLSearchParams(text)) {
    const [first = '', ...inner] = name.split(/\[|\]\[|\]/);
    const keys = [first, ...(name.endsWith(']') ? inner.slice(0, -1) : inner)];
    let place = root;
    for (const key of keys.slice(0, -1)) {
      const held = place[key];
      const next = isRecord(held) ? held : Object.create(null);
      place[key] = next;
      place = next;
    }
    const last = keys.at(-1) ?? '';
    // `a[]=b`: the next of a list.
    place[last === '' && keys.length > 1 ? String(Object.keys(place).length) : last] = value;
  }
  return toForm(root);
}

function toForm(record: Record<string, unknown>): Form {
  const entries = Object.entries(record).map(([key, value]): [string, string | Form] => [
    key,
    isRecord(value) ? toForm(value) : String(value),
  ]);
  return Object.fromEntries(entries);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

export function textOf(form: Form, name: string): string | null {
  const value = form[name];
  return typeof value === 'string' ? value : null;
}

/** Of a parameter that was checked: Stripe's v1 takes Python's spelling as well. */
export function isTrue(form: Form, name: string): boolean {
  return textOf(form, name)?.toLowerCase() === 'true';
}

/** An object within it; empty when it is none. */
export function formOf(form: Form, name: string): Form {
  const value = form[name];
  return typeof value === 'object' ? value : {};
}

export function textsOf(form: Form, name: string): Record<string, string> {
  const value = form[name];
  if (typeof value !== 'object') return {};
  const texts = Object.entries(value).flatMap(([key, text]) =>
    typeof text === 'string' ? [[key, text] as const] : [],
  );
  return Object.fromEntries(texts);
}
