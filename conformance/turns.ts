// Lets the two sides of a full-duplex call speak in turn: a message is sent, and
// the next one waits for its answer.

export type Turns = {
  /** Until what was sent last has its answer; at once where both sides speak when they like. */
  next(): Promise<void>;
  answered(): void;
  /** No more answers will come. */
  over(): void;
};

export function createTurns(inTurn: boolean): Turns {
  let sent = 0;
  let answers = 0;
  let isOver = !inTurn;
  let waiting = Promise.withResolvers<void>();
  function wake(): void {
    waiting.resolve();
    waiting = Promise.withResolvers<void>();
  }
  return {
    async next() {
      sent += 1;
      while (!isOver && answers < sent) await waiting.promise;
    },
    answered() {
      answers += 1;
      wake();
    },
    over() {
      isOver = true;
      wake();
    },
  };
}
