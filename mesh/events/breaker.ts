// Tells a poisoned message from a bug that hits everything. Where something else can be handled,
// the poisoned one is given up at once. Where nothing can, giving up would empty the stream into
// the dead letters: the consumer keeps what it has and waits for somebody to mend it.

/** A few messages without a success between them may all be poisoned. */
const suspectsMax = 3;
const buriedInARowMax = 10;

export type Judgement = "bury" | "pause";

export type Breaker = {
  /** What to do with the messages that cannot be handled. */
  judge(found: {
    readonly suspects: number;
    /** True when another message of the batch was handled. */
    readonly progressed: boolean;
  }): Judgement;
};

export function createBreaker(): Breaker {
  let buriedInARow = 0;
  return {
    judge({ suspects, progressed }) {
      if (progressed) buriedInARow = 0;
      else if (suspects > suspectsMax || buriedInARow + suspects > buriedInARowMax) return "pause";
      else buriedInARow += suspects;
      return "bury";
    },
  };
}
