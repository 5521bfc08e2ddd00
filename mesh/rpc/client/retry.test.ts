import { expect, test } from "vitest";
import type { Failure, Pushback } from "./failure.ts";
import { nextStep, type Progress, type RetryPlan, retryDelayMs, type Step } from "./retry.ts";

const repeatable: RetryPlan = {
  attemptsMax: 3,
  copiesMax: 1,
  backoffMsMin: 25,
  backoffMsMax: 1_000,
  repeatable: true,
};
const single: RetryPlan = { ...repeatable, attemptsMax: 1, repeatable: false };
const hedged: RetryPlan = { ...repeatable, copiesMax: 2 };
const begun: Progress = { attempts: 1, running: 0, mayResend: true, elsewhere: true };
const alone = { elsewhere: false };
const resent = { mayResend: false };
const beside = { running: 1 };

const fail: Step = { kind: "fail" };
const wait: Step = { kind: "wait" };
const stop: Step = { kind: "stop" };
const resend = (afterMs: number, paid: boolean): Step => {
  return { kind: "send", attempt: "resend", afterMs, paid };
};
const retry = (afterMs: number): Step => ({ kind: "send", attempt: "retry", afterMs, paid: true });
const hedge = (afterMs: number): Step => ({ kind: "send", attempt: "hedge", afterMs, paid: true });

type Row = readonly [
  name: string,
  failure: Failure,
  plan: RetryPlan,
  progress: Partial<Progress>,
  step: Step,
  pushback?: Pushback,
];

// Without jitter the first wait is 25 ms.
const rows: readonly Row[] = [
  ["an answer is an answer", "answer", repeatable, {}, fail],
  ["a refusal ends the copies too", "answer", hedged, beside, fail],
  ["a deadline that passed has passed", "late", repeatable, {}, fail],
  ["a call given up stays so", "canceled", repeatable, {}, fail],
  ["what may be repeated is", "unavailable", repeatable, {}, retry(25)],
  ["what may not be repeated is not", "unavailable", single, {}, fail],
  ["three attempts are enough", "unavailable", repeatable, { attempts: 3 }, fail],
  [
    "what the server did not begin is sent again for nothing",
    "not-begun",
    single,
    {},
    resend(0, false),
  ],
  ["to the same endpoint if need be", "not-begun", single, alone, resend(0, false)],
  ["but once", "not-begun", single, resent, fail],
  ["then as the policy has it", "not-begun", repeatable, resent, retry(25)],
  ["what was never sent goes elsewhere", "never-sent", single, {}, resend(0, false)],
  ["or waits where there is nobody else", "never-sent", single, alone, retry(25)],
  ["and is tried three times", "never-sent", single, { attempts: 3, ...resent }, fail],
  ["who is not trusted is not asked again", "not-trusted", repeatable, alone, fail],
  ["another one may be", "not-trusted", single, {}, resend(0, false)],
  ["too much to do: elsewhere, for a price", "overloaded", single, {}, resend(0, true)],
  ["nobody else: after a while", "overloaded", single, alone, resend(25, true)],
  ["after the while the server names", "overloaded", single, alone, resend(300, true), 300],
  ["but once", "overloaded", single, resent, fail],
  ["the server's wait counts", "unavailable", repeatable, {}, retry(700), 700],
  ["the server wants it no more", "unavailable", repeatable, {}, fail, "never"],
  ["not even elsewhere", "overloaded", repeatable, {}, fail, "never"],
  [
    "a copy under way may still be answered",
    "unavailable",
    hedged,
    { ...beside, attempts: 3 },
    wait,
  ],
  ["a failure sends the next copy at once", "unavailable", hedged, {}, hedge(0)],
  ["or when the server names", "unavailable", hedged, {}, hedge(80), 80],
  ["but no more once the server says so", "unavailable", hedged, beside, stop, "never"],
  ["copies spent, the one left counts", "unavailable", hedged, { ...beside, attempts: 2 }, wait],
  ["copies spent, the policy goes on", "unavailable", hedged, { attempts: 2 }, retry(25)],
];

for (const [name, failure, plan, progress, step, pushback] of rows) {
  test(`${name} (${failure})`, () => {
    expect(nextStep(failure, pushback, plan, { ...begun, ...progress }, () => 0)).toEqual(step);
  });
}

test("waits grow with the attempts, within the policy's bounds, and differ", () => {
  const waits = (random: number) =>
    [1, 2, 3, 4, 9].map((attempts) => retryDelayMs(attempts, repeatable, () => random));
  expect(waits(0)).toEqual([25, 25, 25, 25, 25]);
  expect(waits(1)).toEqual([100, 200, 400, 800, 1_000]);
});
