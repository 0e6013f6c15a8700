import { invalidRequest, noSuchIn } from './errors.ts';
import { type Form, textOf } from './form.ts';

const LIMIT = 10;

type Item = { readonly id: string };
type Page<T> = { readonly data: readonly T[]; readonly has_more: boolean };

/**
 * One page of a list, the newest first (docs.stripe.com/api/pagination). What a page starts after
 * is looked for among all of them.
 * @param isMeant what the list is narrowed to.
 */
export function pageOf<T extends Item>(
  oldestFirst: Iterable<T>,
  form: Form,
  what: string,
  isMeant: (item: T) => boolean = () => true,
): Page<T> {
  const all = [...oldestFirst].reverse();
  const limit = limitOf(form);
  const [after, before] = [textOf(form, 'starting_after'), textOf(form, 'ending_before')];
  if (after !== null && before !== null) {
    const both = 'Received both starting_after and ending_before parameters.';
    throw invalidRequest(null, `${both} Please pass in only one.`);
  }
  const placeOf = (id: string, param: string) => {
    const place = all.findIndex((item) => item.id === id);
    if (place < 0) throw noSuchIn(param, what, id);
    return place;
  };
  if (before !== null) {
    const newer = all.slice(0, placeOf(before, 'ending_before')).filter(isMeant);
    return { data: newer.slice(-limit), has_more: newer.length > limit };
  }
  const start = after === null ? 0 : placeOf(after, 'starting_after') + 1;
  const rest = all.slice(start).filter(isMeant);
  return { data: rest.slice(0, limit), has_more: rest.length > limit };
}

export function listOf<T>(url: string, { data, has_more }: Page<T>) {
  return { object: 'list', url, has_more, data };
}

/** One page of what a search found; the next one is asked for by a word of Stripe's own. */
export function searchPageOf<T>(url: string, found: readonly T[], form: Form) {
  const limit = limitOf(form);
  const word = textOf(form, 'page');
  const start = word === null ? 0 : Number(Buffer.from(word, 'base64url').toString());
  if (!Number.isSafeInteger(start) || start < 0) {
    throw invalidRequest(null, `Invalid page: ${word}`, 'page');
  }
  const end = start + limit;
  const has_more = found.length > end;
  const next_page = has_more ? Buffer.from(String(end)).toString('base64url') : null;
  return { object: 'search_result', url, has_more, next_page, data: found.slice(start, end) };
}

function limitOf(form: Form): number {
  return Number(textOf(form, 'limit') ?? LIMIT);
}
