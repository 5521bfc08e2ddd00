// Who may call an RPC, for how long, and how often a client makes a call again.

import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Level } from "@bufbuild/protobuf/wkt";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { keyFieldProblems } from "./key-field.ts";
import { ownProblems } from "./own-rules.ts";
import { missing, optionOf, type PolicyProblem, remembered, throwProblems } from "./problem.ts";

/** Throws when the method has no valid policy. */
export const methodPolicy = remembered((method: DescMethod): options.MethodPolicy => {
  throwProblems(method.parent.typeName, methodProblems(method));
  return optionOf(method, options.method) as options.MethodPolicy;
});

export type Retry = {
  /** The first one included. */
  readonly attemptsMax: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
};

const retryDefault: Retry = { attemptsMax: 3, backoffMsMin: 25, backoffMsMax: 1_000 };

/** How a client repeats a call; whether this very request may be repeated, isRepeatable says. */
export const retryOf = remembered((method: DescMethod): Retry => {
  const retry = optionOf(method, options.method)?.retry;
  if (retry === undefined) {
    return mayRepeat(method) ? retryDefault : { ...retryDefault, attemptsMax: 1 };
  }
  const { attemptsMax, backoffMinMs, backoffMaxMs } = retry;
  return { attemptsMax, backoffMsMin: backoffMinMs, backoffMsMax: backoffMaxMs };
});

export type Hedge = {
  readonly delayMs: number;
  /** Copies in all; they count as attempts of the call. */
  readonly attemptsMax: number;
};

/** When a client sends a copy of a slow call; undefined: never. */
export function hedgeOf(method: DescMethod): Hedge | undefined {
  const hedge = optionOf(method, options.method)?.hedge;
  return hedge && { delayMs: hedge.delayMs, attemptsMax: hedge.attemptsMax };
}

/** True when sending this request a second time changes nothing. */
export function isRepeatable<D extends DescMessage>(
  method: DescMethod & { readonly input: D },
  request: MessageShape<D>,
): boolean {
  if (isSafeByLevel(method)) return true;
  const name = optionOf(method, options.method)?.idempotencyKeyField;
  const field = name && method.input.fields.find((candidate) => candidate.name === name);
  return field ? Boolean((request as Record<string, unknown>)[field.localName]) : false;
}

function isSafeByLevel({ idempotency }: DescMethod): boolean {
  return idempotency === Level.NO_SIDE_EFFECTS || idempotency === Level.IDEMPOTENT;
}

function mayRepeat(method: DescMethod): boolean {
  return isSafeByLevel(method) || Boolean(optionOf(method, options.method)?.idempotencyKeyField);
}

/** What is wrong with the method's policy, the fields of its messages left aside. */
export function methodProblems(method: DescMethod): readonly PolicyProblem[] {
  const policy = optionOf(method, options.method);
  if (policy === undefined) return [missing(method, "method")];
  const { idempotencyKeyField } = policy;
  const said = [retryProblem(method, policy), ...hedgeProblems(method, policy)];
  return [
    ...ownProblems(method, options.MethodPolicySchema, policy),
    ...keyFieldProblems(method, method.input, "idempotency_key_field", [idempotencyKeyField]),
    ...said.flatMap((problem) => (problem ? [{ at: method, problem }] : [])),
  ];
}

function retryProblem(
  method: DescMethod,
  { retry, deadlineMaxMs }: options.MethodPolicy,
): string | undefined {
  if (retry === undefined || retry.attemptsMax <= 1) return undefined;
  if (!mayRepeat(method)) {
    return (
      "retry repeats a call that may do harm twice: declare idempotency_level = NO_SIDE_EFFECTS " +
      "or IDEMPOTENT, name an idempotency_key_field, or drop retry"
    );
  }
  if (method.methodKind !== "unary") {
    return "retry repeats a stream, of which nobody knows how far it came: drop retry";
  }
  if (retry.backoffMinMs < deadlineMaxMs) return undefined;
  return (
    `retry waits ${retry.backoffMinMs} ms, which no deadline of up to ${deadlineMaxMs} ms ` +
    "leaves time for: lower backoff_min_ms or drop retry"
  );
}

function hedgeProblems(method: DescMethod, policy: options.MethodPolicy): string[] {
  const { hedge, deadlineMaxMs } = policy;
  if (hedge === undefined) return [];
  const problems: string[] = [];
  if (method.idempotency !== Level.NO_SIDE_EFFECTS) {
    const remedy = "declare idempotency_level = NO_SIDE_EFFECTS or drop hedge";
    problems.push(`hedge sends copies of a call that has side effects: ${remedy}`);
  }
  if (method.methodKind !== "unary") {
    problems.push("hedge sends copies of a stream, which has no one answer: drop hedge");
  }
  if (hedge.delayMs >= deadlineMaxMs) {
    const remedy = "lower delay_ms or drop hedge";
    const when = `after every deadline of up to ${deadlineMaxMs} ms`;
    problems.push(`hedge waits ${hedge.delayMs} ms, ${when}: ${remedy}`);
  }
  const { attemptsMax } = retryOf(method);
  if (policy.retry && hedge.attemptsMax > attemptsMax) {
    const copies = `hedge makes ${hedge.attemptsMax} attempts`;
    problems.push(`${copies} where retry allows ${attemptsMax}: raise retry or lower hedge`);
  }
  return problems;
}
