// The attempts of one call until it has its answer: again after a failure, and a copy beside one
// that is slow. What a failure leads to is decided in retry.ts; here it is done.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { abortError, type Link, linkTo, type Patience, timedOut } from "./abort.ts";
import type { RetryBudget } from "./budget.ts";
import { asCallError, failureOf, pushbackOf } from "./failure.ts";
import { type AttemptKind, nextStep, type RetryPlan, type Step } from "./retry.ts";

export type CallPlan = RetryPlan & {
  /** How long a copy waits for the one before it; undefined: there are no copies. */
  readonly hedgeDelayMs: number | undefined;
};

type Attempt<R> = (kind: AttemptKind, signal: AbortSignal | undefined) => Promise<R>;

export type AttemptsOptions<R> = Patience & {
  readonly plan: CallPlan;
  readonly budget: RetryBudget;
  readonly random: () => number;
  readonly attempt: Attempt<R>;
  /** There is an endpoint that is well and that the call was not sent to. */
  readonly isThereAnother: () => boolean;
  /** The budget did not allow another attempt. */
  readonly onDenied: () => void;
};

export async function untilAnswered<R>(options: AttemptsOptions<R>): Promise<R> {
  const { plan, budget, attempt, deadlineAt = Number.POSITIVE_INFINITY, signal } = options;
  if (signal?.aborted) throw abortError(signal);
  if (performance.now() >= deadlineAt) throw timedOut();
  if (plan.hedgeDelayMs !== undefined) return race(options);
  // Most calls are answered at once: they pay for nothing that others need.
  try {
    const response = await attempt("first", signal);
    budget.answered();
    return response;
  } catch (error) {
    return race(options, ConnectError.from(error));
  }
}

/** From the first attempt, or from its failure, to the answer. */
async function race<R>(options: AttemptsOptions<R>, failed?: ConnectError): Promise<R> {
  const { plan, budget, deadlineAt = Number.POSITIVE_INFINITY } = options;
  using copies = createCopies(options);
  let attempts = 1;
  let mayResend = true;
  let outcome: Outcome<R> | undefined;
  if (failed) outcome = { error: failed };
  else copies.send("first");
  let next = nextCopy();

  function nextCopy(): Planned | undefined {
    const { hedgeDelayMs, copiesMax } = plan;
    if (hedgeDelayMs === undefined || attempts >= copiesMax) return undefined;
    return { kind: "hedge", at: performance.now() + hedgeDelayMs, isPaid: false };
  }

  function spend(): boolean {
    const isAllowed = budget.spend();
    if (!isAllowed) options.onDenied();
    return isAllowed;
  }

  function stepAfter(error: ConnectError): Step {
    const running = copies.running();
    const elsewhere = options.isThereAnother();
    const progress = { attempts, running, mayResend, elsewhere };
    return nextStep(failureOf(error), pushbackOf(error), plan, progress, options.random);
  }

  for (;;) {
    outcome ??= await copies.outcome(next?.at);
    if (outcome === undefined) {
      const due = next;
      next = undefined;
      if (due === undefined || !(due.isPaid || spend())) continue;
      if (due.kind !== "resend") attempts += 1;
      copies.send(due.kind);
      next = nextCopy();
      continue;
    }
    if ("response" in outcome) {
      budget.answered();
      return outcome.response;
    }
    const { error } = outcome;
    outcome = undefined;
    const step = stepAfter(error);
    if (step.kind === "wait") continue;
    if (step.kind === "stop") {
      next = undefined;
      continue;
    }
    if (step.kind === "send") {
      const at = performance.now() + step.afterMs;
      if (step.attempt === "resend") mayResend = false;
      if (at < deadlineAt && (!step.paid || spend())) {
        next = { kind: step.attempt, at, isPaid: true };
        continue;
      }
      if (copies.running() > 0) continue;
    }
    if (failureOf(error) === "answer") budget.answered();
    throw asCallError(error);
  }
}

type Planned = {
  readonly kind: AttemptKind;
  readonly at: number;
  /** A copy beside one that is slow is paid for when its time comes. */
  readonly isPaid: boolean;
};

type Outcome<R> = { readonly response: R } | { readonly error: ConnectError };

/** The attempts under way. Those that are left over are cancelled. */
function createCopies<R>({ plan, attempt, signal }: AttemptsOptions<R>) {
  type Copy = { readonly link: Link | undefined; outcome?: Outcome<R> };
  const underWay = new Map<Copy, Promise<Copy>>();

  function send(kind: AttemptKind): void {
    // Only a copy that may lose to another one needs a signal of its own.
    const link = plan.hedgeDelayMs === undefined ? undefined : linkTo(signal);
    const copy: Copy = { link };
    const over = (outcome: Outcome<R>) => Object.assign(copy, { outcome });
    const ended = attempt(kind, link?.signal ?? signal).then(
      (response) => over({ response }),
      (cause: unknown) => over({ error: ConnectError.from(cause) }),
    );
    underWay.set(copy, ended);
  }

  async function first(at: number | undefined): Promise<Copy | undefined> {
    if (at === undefined) return Promise.race(underWay.values());
    const due = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => due.resolve(undefined), at - performance.now());
    try {
      return await Promise.race([...underWay.values(), due.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    send,
    running: () => underWay.size,
    /** What comes of one of them; undefined when the time has come first. */
    async outcome(at: number | undefined): Promise<Outcome<R> | undefined> {
      if (underWay.size === 0) {
        assert(at !== undefined, "a call has something to wait for");
        await sleepUntil(at, signal);
        return undefined;
      }
      const copy = await first(at);
      if (copy === undefined) return undefined;
      underWay.delete(copy);
      copy.link?.[Symbol.dispose]();
      return copy.outcome;
    },
    [Symbol.dispose]() {
      for (const { link } of underWay.keys()) {
        link?.abort(new ConnectError("another copy of the call was answered first", Code.Canceled));
        link?.[Symbol.dispose]();
      }
    },
  };
}

async function sleepUntil(at: number, signal: AbortSignal | undefined): Promise<void> {
  const ms = at - performance.now();
  if (ms <= 0) return;
  try {
    await sleep(ms, undefined, { ...(signal && { signal }) });
  } catch (error) {
    throw signal?.aborted ? abortError(signal) : error;
  }
}
