/**
 * Lets so many do something at once for each key, and no more, in this process.
 * @param most for one key; keys do not share.
 */
export class Turns {
  readonly #most: number;
  readonly #taken = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Null when all turns of this key are taken; else `work` is done. */
  async take<Result>(key: string, work: () => Promise<Result>): Promise<Result | null> {
    const taken = this.#taken.get(key) ?? 0;
    if (taken >= this.#most) return null;
    this.#taken.set(key, taken + 1);
    try {
      return await work();
    } finally {
      const left = (this.#taken.get(key) ?? 1) - 1;
      if (left > 0) this.#taken.set(key, left);
      else this.#taken.delete(key);
    }
  }
}
