// What never changes, kept in memory as long as there is room: what was not asked
// for the longest is let go first.

export type BoundedCache<V> = {
  get(key: string): V | undefined;
  /** What alone is larger than the whole is not kept. */
  set(key: string, value: V, bytes: number): void;
  readonly bytes: number;
};

type Kept<V> = { readonly value: V; readonly bytes: number };

/** What a key, its place and the smallest of values take beside what is counted. */
const overheadBytes = 500;

export function createBoundedCache<V>(bytesMax: number): BoundedCache<V> {
  // A map keeps the order in which things were put into it: the first was asked for longest ago.
  const kept = new Map<string, Kept<V>>();
  let bytes = 0;

  function remove(key: string): void {
    bytes -= kept.get(key)?.bytes ?? 0;
    kept.delete(key);
  }

  return {
    get(key) {
      const found = kept.get(key);
      if (!found) return undefined;
      kept.delete(key);
      kept.set(key, found);
      return found.value;
    },
    set(key, value, valueBytes) {
      remove(key);
      const counted = valueBytes + overheadBytes;
      if (counted > bytesMax) return;
      kept.set(key, { value, bytes: counted });
      bytes += counted;
      for (const oldest of kept.keys()) {
        if (bytes <= bytesMax) break;
        remove(oldest);
      }
    },
    get bytes() {
      return bytes;
    },
  };
}
