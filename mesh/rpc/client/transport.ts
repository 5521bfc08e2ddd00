// A call as its caller makes it: bounded by the deadline of the call that is being served, part of
// its trace, and counted once, whatever it takes.

import { create, type DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { hedgeOf, isRepeatable, retryOf } from "../../policy/policy.ts";
import { methodName, rpcOutcome, rpcSpan } from "../../telemetry/rpc.ts";
import { type Attributes, startSpan } from "../../telemetry/trace.ts";
import { codeName } from "../call-record.ts";
import { currentCall } from "../deadline.ts";
import type { CallPlan } from "./attempts.ts";
import type { Target } from "./dial.ts";
import { callStream } from "./streams.ts";
import { type CallContext, type Caller, callUnary } from "./unary.ts";

/** `timeoutMs`: of a unary call that sets none itself. A stream may last. */
export function createMeshTransport(caller: Caller, timeoutMs: number): Transport {
  const plans = new Map<DescMethod, MethodPlan>();

  function planOf(method: DescMethod): MethodPlan {
    const plan = plans.get(method) ?? readPlan(method);
    plans.set(method, plan);
    return plan;
  }

  /** One span, whatever it takes; it says how many attempts, and where the last one went. */
  function begin(method: DescMethod, name: string, own: CallContext["header"]): Begun {
    // Most calls have no headers of their own, and then the class need not be made twice.
    const headers = own && carried(own);
    const span = startSpan(rpcSpan(method, "client", headers?.get("traceparent") ?? undefined));
    const { traceparent } = span;
    headers?.set("traceparent", traceparent);
    let attempts = 0;
    let last: Target | undefined;
    return {
      header: headers ?? { traceparent },
      onAttempt(kind, target) {
        attempts += 1;
        last = target;
        caller.metrics.attempted(name, kind);
      },
      end(error) {
        const code = error === undefined ? "ok" : codeName(error.code);
        caller.metrics.answered(name, code);
        if (span.recorded) {
          span.set({ ...rpcOutcome(code), ...whereOf(last), "bursar.attempts": attempts });
        }
        span.end(error);
      },
    };
  }

  return {
    async unary(method, signal, ownTimeoutMs, header, input, contextValues) {
      const { name, repeatable, single } = planOf(method);
      const { end, ...begun } = begin(method, name, header);
      try {
        const request = create(method.input, input);
        const response = await callUnary(caller, {
          ...begun,
          method,
          plan: isRepeatable(method, request) ? repeatable : single,
          request,
          signal,
          contextValues,
          deadlineAt: deadlineOf(ownTimeoutMs ?? timeoutMs),
        });
        end(undefined);
        return response;
      } catch (cause) {
        const error = ConnectError.from(cause);
        end(error);
        throw error;
      }
    },
    stream(method, signal, ownTimeoutMs, header, input, contextValues) {
      const { name, single } = planOf(method);
      const { end, ...begun } = begin(method, name, header);
      const isBounded = ownTimeoutMs !== undefined || currentCall()?.deadlineAt !== undefined;
      const response = callStream(caller, {
        ...begun,
        method,
        plan: single,
        input,
        signal,
        contextValues,
        deadlineAt: isBounded ? deadlineOf(ownTimeoutMs) : undefined,
        onOver: end,
      });
      // Whoever reads the stream hears of it, however late they begin to.
      response.catch(() => undefined);
      return response;
    },
  };
}

type Begun = Pick<CallContext, "header" | "onAttempt"> & {
  readonly end: (error: ConnectError | undefined) => void;
};

function whereOf(target: Target | undefined): Attributes {
  if (target === undefined) return {};
  const { hostname, port } = new URL(target.origin);
  return { "server.address": target.address ?? hostname, "server.port": Number(port || 443) };
}

export type MethodPlan = {
  readonly name: string;
  /** For a request that may be sent twice. */
  readonly repeatable: CallPlan;
  readonly single: CallPlan;
};

/** What becomes of a call to the method at most. */
export function readPlan(method: DescMethod): MethodPlan {
  const { attemptsMax, backoffMsMin, backoffMsMax } = retryOf(method);
  const hedge = hedgeOf(method);
  const common = { backoffMsMin, backoffMsMax };
  return {
    name: methodName(method),
    repeatable: {
      ...common,
      repeatable: true,
      attemptsMax: Math.max(attemptsMax, hedge?.attemptsMax ?? 1),
      copiesMax: hedge?.attemptsMax ?? 1,
      hedgeDelayMs: hedge?.delayMs,
    },
    single: {
      ...common,
      repeatable: false,
      attemptsMax: 1,
      copiesMax: 1,
      hedgeDelayMs: undefined,
    },
  };
}

/** A timer that is to run longer runs off at once. */
const timeoutMsMax = 2 ** 31 - 1;

/** Whatever the call asks for, it does not outlive the one being served. */
function deadlineOf(timeoutMs = timeoutMsMax): number {
  const servedUntil = currentCall()?.deadlineAt ?? Number.POSITIVE_INFINITY;
  return Math.min(performance.now() + Math.min(timeoutMs, timeoutMsMax), servedUntil);
}

/**
 * A header that HTTP/2 does not carry vanishes on its way, without a word: a forwarded token, and the
 * call would run with all that the calling service may do.
 */
function carried(own: NonNullable<CallContext["header"]>): Headers {
  const headers = new Headers(own);
  for (const [name, value] of headers) {
    if (carriable.test(value)) continue;
    const problem = `header ${name} holds a character that HTTP does not carry`;
    throw new ConnectError(problem, Code.InvalidArgument);
  }
  return headers;
}

const carriable = /^[\t\x20-\x7e\x80-\xff]*$/;
