import { createHash } from 'node:crypto';

/** Choices that come out the same each time. */
export type Chance = {
  /** From 0 up to 1, which is never reached. */
  fraction(): number;
  /** Both ends may come out. */
  between(least: number, most: number): number;
  pick<T>(list: readonly T[]): T;
  /** The greater its weight, the more often a value comes out. */
  weigh<T>(rows: readonly (readonly [T, number])[]): T;
  /** At most 32. */
  bytes(count: number): Buffer;
  text(alphabet: string, length: number): string;
};

/** All that it chooses follows from the two; another name chooses other things. */
export function createChance(seed: number, name: string): Chance {
  let drawn = 0;
  const bytes = (count: number) => {
    drawn += 1;
    const digest = createHash('sha256').update(`${seed}/${name}/${drawn}`).digest();
    return digest.subarray(0, count);
  };
  const fraction = () => bytes(6).readUIntBE(0, 6) / 2 ** 48;
  const between = (least: number, most: number) =>
    least + Math.floor(fraction() * (most - least + 1));
  const pick = <T>(list: readonly T[]): T => {
    const picked = list[between(0, list.length - 1)];
    if (picked === undefined) throw new RangeError('there is nothing to pick from');
    return picked;
  };
  return {
    fraction,
    between,
    pick,
    weigh(rows) {
      let left = fraction() * rows.reduce((sum, [, weight]) => sum + weight, 0);
      const found = rows.find(([, weight]) => {
        left -= weight;
        return left < 0;
      });
      return (found ?? pick(rows))[0];
    },
    bytes,
    text: (alphabet, length) => Array.from({ length }, () => pick(Array.from(alphabet))).join(''),
  };
}
