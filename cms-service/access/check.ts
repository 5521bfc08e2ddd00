// The hot path: may this learner open this, now? Checks that come while a statement is under way
// share the next one, so that a busy service sends few and large ones. Nothing is remembered from
// one statement to the next: what was committed before a check began is seen by it.

import type { Pool } from "#mesh/database/pool.ts";
import { readAccessFacts, type SeenRevision } from "./check-store.ts";
import { type AccessAnswer, judgeAccess } from "./verdict.ts";

export type { AccessAnswer, AccessReason } from "./verdict.ts";

export type AccessQuestion = {
  /** Undefined: somebody unknown, who may see free previews. */
  readonly learnerId: string | undefined;
  readonly courseId: string;
  /** Undefined or empty: the course as a whole. */
  readonly lessonId?: string | undefined;
};

export type CheckedAccess = AccessAnswer & SeenRevision;

export type AccessChecker = {
  check(question: AccessQuestion): Promise<CheckedAccess>;
  /** All of them from one moment, in their order. */
  checkAll(questions: readonly AccessQuestion[]): Promise<readonly CheckedAccess[]>;
};

/** Checks that share a statement. */
const batchMax = 256;
/** Under way at once. Another one would only make both smaller; it is there for a slow one. */
const statementsMax = 2;

type Waiting = {
  readonly question: AccessQuestion;
  readonly answered: PromiseWithResolvers<CheckedAccess>;
};

export function accessChecker(pool: Pool): AccessChecker {
  let waiting: Waiting[] = [];
  let underWay = 0;
  let isDue = false;

  function send(): void {
    isDue = false;
    while (waiting.length > 0 && underWay < statementsMax) {
      const batch = waiting.slice(0, batchMax);
      waiting = waiting.slice(batchMax);
      underWay += 1;
      void answer(batch);
    }
  }

  async function answer(batch: readonly Waiting[]): Promise<void> {
    try {
      const answers = await checkAll(batch.map(({ question }) => question));
      for (const [n, { answered }] of batch.entries()) answered.resolve(answers[n]!);
    } catch (error) {
      for (const { answered } of batch) answered.reject(error);
    }
    underWay -= 1;
    send();
  }

  async function checkAll(questions: readonly AccessQuestion[]): Promise<readonly CheckedAccess[]> {
    const facts = await readAccessFacts(pool, questions);
    return facts.map((fact) => ({ ...judgeAccess(fact), revision: fact.revision }));
  }

  return {
    check(question) {
      const answered = Promise.withResolvers<CheckedAccess>();
      waiting.push({ question, answered });
      // At the end of this turn, with all that came in it.
      if (!isDue && underWay < statementsMax) {
        isDue = true;
        setImmediate(send);
      }
      return answered.promise;
    },
    checkAll,
  };
}
