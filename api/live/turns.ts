export type Turns = <T>(work: () => Promise<T>) => Promise<T>;

/** Lets so many work at the same time; the others get their turn in the order they came. */
function openTurns(max: number): Turns {
  let free = max;
  const waiting: (() => void)[] = [];
  const leave = () => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      leave();
    }
  };
}

/**
 * The same for many parties: `each` of one party's works at the same time, `all` of everybody's.
 * Who has a thousand in line takes no more than `each` from the others.
 */
export function openSharedTurns(all: number, each: number): (party: string) => Turns {
  const common = openTurns(all);
  const own = new Map<string, Turns>();
  return (party) => {
    const turns = own.get(party) ?? openTurns(each);
    own.set(party, turns);
    return (work) => turns(() => common(work));
  };
}

/**
 * One after the other, in the order they came.
 * @returns false for what did not fit: so many wait already.
 */
export function openLine<T>(
  max: number,
  work: (item: T) => Promise<void>,
  onFailure: (error: unknown) => void,
): (item: T) => boolean {
  let last = Promise.resolve();
  let waiting = 0;
  return (item) => {
    if (waiting >= max) return false;
    waiting += 1;
    last = last
      .then(() => work(item))
      .catch(onFailure)
      .finally(() => {
        waiting -= 1;
      });
    return true;
  };
}
