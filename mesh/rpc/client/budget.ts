// How many calls a client may send again: a share of those that are answered, so that retries heal
// a stumble and never feed an outage. One budget a client; hedges spend it as well.

export type RetryBudget = {
  readonly answered: () => void;
  /** False when too many calls fail for another attempt to help: it would only add to the load. */
  readonly spend: () => boolean;
};

/** Most that a busy client has saved: what one lost connection may take along. */
export const tokensMax = 100;
/** What a new client begins with, and what one that seldom calls gets back with time. */
export const tokensReserve = 5;
/** One more attempt for ten calls that are answered. */
export const tokensPerAnswer = 0.1;
const tokensPerSecond = 0.1;

export function createRetryBudget(now: () => number = () => performance.now()): RetryBudget {
  let tokens = tokensReserve;
  let filledAt = now();

  function fill(): void {
    const at = now();
    const earned = ((at - filledAt) / 1_000) * tokensPerSecond;
    if (tokens < tokensReserve) tokens = Math.min(tokensReserve, tokens + earned);
    filledAt = at;
  }

  return {
    answered() {
      tokens = Math.min(tokensMax, tokens + tokensPerAnswer);
    },
    spend() {
      fill();
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
