// Counts what is under way, so that a stop can wait for it.

export type Tally = {
  readonly enter: () => void;
  readonly leave: () => void;
  /** Counts the work until it settles. */
  readonly follow: (work: Promise<unknown>) => void;
  /** True as soon as nothing is under way; false when that takes longer. */
  readonly whenNone: (timeoutMs: number) => Promise<boolean>;
};

export function createTally(): Tally {
  let count = 0;
  let waiters: (() => void)[] = [];
  function enter(): void {
    count += 1;
  }
  function leave(): void {
    count -= 1;
    if (count > 0) return;
    for (const wake of waiters) wake();
    waiters = [];
  }
  return {
    enter,
    leave,
    follow(work) {
      enter();
      work.then(leave, leave);
    },
    async whenNone(timeoutMs) {
      const until = performance.now() + timeoutMs;
      // One call may begin the next: look again after each wake.
      while (count > 0) {
        const leftMs = until - performance.now();
        if (leftMs <= 0) return false;
        const { promise, resolve } = Promise.withResolvers<void>();
        waiters.push(resolve);
        const timer = setTimeout(resolve, leftMs);
        await promise;
        clearTimeout(timer);
      }
      return true;
    },
  };
}
