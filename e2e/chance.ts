// Chance that can be repeated: the same seed makes the same choices.

export type Chance = {
  /** A whole number from 0 up to, and not including, `below`. */
  below(below: number): number;
  pick<T>(from: readonly T[]): T;
  shuffled<T>(list: readonly T[]): T[];
};

/** Seeds come from the environment, so that a failed run can be run again. */
export function seedFrom(name: string): number {
  return Number(process.env[name]) || Math.floor(Math.random() * 2 ** 31);
}

export function createChance(seed: number): Chance {
  let state = seed >>> 0;
  // mulberry32: 32 bits of state are plenty for choosing what to break.
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (bound: number) => Math.floor(next() * bound);
  return {
    below,
    pick: (from) => from[below(from.length)]!,
    shuffled(list) {
      const copy = [...list];
      for (let n = copy.length - 1; n > 0; n -= 1) {
        const other = below(n + 1);
        [copy[n], copy[other]] = [copy[other]!, copy[n]!];
      }
      return copy;
    },
  };
}
