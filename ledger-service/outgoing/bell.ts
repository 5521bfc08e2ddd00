// A bell between who has done something and the one who waits for it.

export type Bell = {
  readonly ring: () => void;
  /** Returns at a ring, or when the time is over; undefined: it waits for a ring. */
  wait(timeoutMs?: number): Promise<void>;
};

/** A ring while nobody waits is kept for who waits next. */
export function createBell(): Bell {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    async wait(timeoutMs) {
      if (!rung) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
        wake = resolve;
        await promise;
        clearTimeout(timer);
        wake = undefined;
      }
      rung = false;
    },
  };
}
