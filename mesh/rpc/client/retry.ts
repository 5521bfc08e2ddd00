// What follows when an attempt of a call has failed. Only what cannot do harm twice is sent twice:
// a method without side effects, a request that carries its idempotency key, or a call that the
// server never began. Decided here, without clock, random or network.

import type { Failure, Pushback } from "./failure.ts";

export type RetryPlan = {
  /** Attempts in all, the first included; one where a second could do harm. */
  readonly attemptsMax: number;
  /** Of these, how many may be under way at once. */
  readonly copiesMax: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  readonly repeatable: boolean;
};

export type Progress = {
  /** Attempts made, without those that the server never began and that were sent again for it. */
  readonly attempts: number;
  /** Copies that are still under way. */
  readonly running: number;
  /** The call was not yet sent again because the server had not begun it. */
  readonly mayResend: boolean;
  /** There is an endpoint that this call was not sent to, and that is not known to be ill. */
  readonly elsewhere: boolean;
};

export type AttemptKind = "first" | "resend" | "retry" | "hedge";

export type Step =
  /** The failure is the call's answer. */
  | { readonly kind: "fail" }
  /** A copy under way may still be answered; more may follow. */
  | { readonly kind: "wait" }
  /** A copy under way may still be answered; no more may follow. */
  | { readonly kind: "stop" }
  | {
      readonly kind: "send";
      readonly attempt: Exclude<AttemptKind, "first">;
      readonly afterMs: number;
      /** It is taken from the budget. */
      readonly paid: boolean;
    };

/** What never left this process may be tried so often, whatever the method. */
const attemptsMaxUnsent = 3;

export function nextStep(
  failure: Failure,
  pushback: Pushback,
  plan: RetryPlan,
  progress: Progress,
  random: () => number,
): Step {
  const { attempts, running, mayResend, elsewhere } = progress;
  if (failure === "answer" || failure === "late" || failure === "canceled") return { kind: "fail" };
  const giveUp: Step = { kind: running > 0 ? "stop" : "fail" };
  if (pushback === "never") return giveUp;

  const backoffMs = pushback ?? retryDelayMs(attempts, plan, random);
  if (mayResend) {
    const resend = { kind: "send", attempt: "resend" } as const;
    const afterMs = elsewhere ? 0 : (pushback ?? 0);
    if (failure === "not-begun") return { ...resend, afterMs, paid: false };
    if ((failure === "never-sent" || failure === "not-trusted") && elsewhere) {
      return { ...resend, afterMs, paid: false };
    }
    // Where every server has too much to do, sending again for nothing would double it.
    if (failure === "overloaded") {
      return { ...resend, afterMs: elsewhere ? 0 : backoffMs, paid: true };
    }
  }

  if (failure === "not-trusted") return giveUp;
  const isUnsent = failure === "never-sent";
  if (!plan.repeatable && !isUnsent) return giveUp;
  const attemptsMax = isUnsent ? Math.max(plan.attemptsMax, attemptsMaxUnsent) : plan.attemptsMax;
  if (attempts >= attemptsMax) return { kind: running > 0 ? "wait" : "fail" };
  if (attempts < plan.copiesMax) {
    return { kind: "send", attempt: "hedge", afterMs: pushback ?? 0, paid: true };
  }
  if (running > 0) return { kind: "wait" };
  return { kind: "send", attempt: "retry", afterMs: backoffMs, paid: true };
}

/** Jitter over a doubling bound: who failed together does not return together. */
export function retryDelayMs(
  attempts: number,
  { backoffMsMin, backoffMsMax }: Pick<RetryPlan, "backoffMsMin" | "backoffMsMax">,
  random: () => number,
): number {
  const boundMs = Math.min(backoffMsMax, backoffMsMin * 2 ** (attempts + 1));
  return backoffMsMin + random() * (boundMs - backoffMsMin);
}
