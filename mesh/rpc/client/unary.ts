// A call with one request and one answer: attempts on endpoints until one of them answers.

import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { ConnectError, type ContextValues, type UnaryResponse } from "@connectrpc/connect";
import { timedOut } from "./abort.ts";
import { type CallPlan, untilAnswered } from "./attempts.ts";
import type { RetryBudget } from "./budget.ts";
import type { ClientMetrics } from "./client-metrics.ts";
import type { Target } from "./dial.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Endpoints } from "./endpoints.ts";
import type { AttemptKind } from "./retry.ts";

/** What all calls of a client share. */
export type Caller = {
  readonly endpoints: Endpoints;
  readonly budget: RetryBudget;
  readonly metrics: ClientMetrics;
  readonly random: () => number;
};

/** What belongs to one call, whatever its kind. */
export type CallContext = {
  readonly plan: CallPlan;
  readonly header: ConstructorParameters<typeof Headers>[0];
  readonly signal: AbortSignal | undefined;
  readonly contextValues: ContextValues | undefined;
  readonly onAttempt: (kind: AttemptKind, target: Target) => void;
};

export type UnaryCall<I extends DescMessage, O extends DescMessage> = CallContext & {
  readonly method: DescMethodUnary<I, O>;
  readonly request: MessageShape<I>;
  readonly deadlineAt: number;
};

export async function callUnary<I extends DescMessage, O extends DescMessage>(
  { endpoints, budget, metrics, random }: Caller,
  call: UnaryCall<I, O>,
): Promise<UnaryResponse<I, O>> {
  const { method, plan, request, header, contextValues, deadlineAt } = call;
  const met = new Set<Endpoint>();

  async function attempt(kind: AttemptKind, signal: AbortSignal | undefined) {
    const patience = { deadlineAt, signal };
    const { endpoint, isProbe } = await endpoints.choose(met, patience);
    met.add(endpoint);
    call.onAttempt(kind, endpoint.target);
    const place = await endpoint.enter(patience, isProbe);
    try {
      const leftMs = Math.floor(deadlineAt - performance.now());
      if (leftMs < 1) throw timedOut();
      const response = await place.transport.unary(
        method,
        signal,
        leftMs,
        header,
        request as never,
        contextValues,
      );
      place.judge(undefined, true);
      return response;
    } catch (cause) {
      const error = ConnectError.from(cause);
      place.judge(error, true);
      throw error;
    } finally {
      place.leave();
    }
  }

  return untilAnswered({
    plan,
    budget,
    random,
    deadlineAt,
    signal: call.signal,
    attempt,
    isThereAnother: () => endpoints.isThereAnother(met),
    onDenied: metrics.denied,
  });
}
