import type { Page } from './types.ts';

/**
 * A list that is read as it is needed: `for await (const item of list)` asks for page after page to
 * the end, `page()` for one.
 */
export class List<T> implements AsyncIterable<T> {
  readonly #read: (cursor?: string) => Promise<Page<T>>;

  constructor(read: (cursor?: string) => Promise<Page<T>>) {
    this.#read = read;
  }

  /** The first page, or the one at the cursor that the list was asked for. */
  page(): Promise<Page<T>> {
    return this.#read();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    let page = await this.#read();
    for (;;) {
      yield* page.data;
      if (page.next_cursor === null) return;
      page = await this.#read(page.next_cursor);
    }
  }
}
