// For callers in other languages: the policies of a service as a gRPC service config, which gRPC
// libraries follow by themselves. What our own client does beyond it, docs/clients.md tells.

import { create, type DescMethod, type DescService } from "@bufbuild/protobuf";
import { hedgeOf, isRepeatable, methodPolicy, retryOf } from "../../policy/policy.ts";
import { validate } from "../../policy/validation.ts";
import { tokensPerAnswer, tokensReserve } from "./budget.ts";

/** JSON by https://github.com/grpc/grpc/blob/master/doc/service_config.md */
export type GrpcServiceConfig = {
  readonly loadBalancingConfig: readonly { readonly round_robin: Record<string, never> }[];
  readonly healthCheckConfig: { readonly serviceName: string };
  readonly retryThrottling: { readonly maxTokens: number; readonly tokenRatio: number };
  readonly methodConfig: readonly GrpcMethodConfig[];
};

export type GrpcMethodConfig = {
  readonly name: readonly { readonly service: string; readonly method: string }[];
  /** Left out for streams, which may last. */
  readonly timeout?: string;
  readonly maxRequestMessageBytes?: number;
  readonly retryPolicy?: {
    readonly maxAttempts: number;
    readonly initialBackoff: string;
    readonly maxBackoff: string;
    readonly backoffMultiplier: number;
    readonly retryableStatusCodes: readonly string[];
  };
  readonly hedgingPolicy?: {
    readonly maxAttempts: number;
    readonly hedgingDelay: string;
    readonly nonFatalStatusCodes: readonly string[];
  };
};

/** Throws when a method has no policy. */
export function serviceConfigOf(service: DescService): GrpcServiceConfig {
  return {
    // Its health is only followed where a policy chooses between endpoints.
    loadBalancingConfig: [{ round_robin: {} }],
    healthCheckConfig: { serviceName: service.typeName },
    // gRPC retries while more than half of its tokens are left.
    retryThrottling: { maxTokens: tokensReserve * 2, tokenRatio: tokensPerAnswer },
    methodConfig: service.methods.map(methodConfigOf),
  };
}

function methodConfigOf(method: DescMethod): GrpcMethodConfig {
  const { deadlineDefaultMs, requestBytesMax } = methodPolicy(method);
  return {
    name: [{ service: method.parent.typeName, method: method.name }],
    ...(method.methodKind === "unary" && { timeout: seconds(deadlineDefaultMs) }),
    ...(requestBytesMax > 0 && { maxRequestMessageBytes: requestBytesMax }),
    ...repetitionOf(method),
  };
}

/** gRPC knows either copies or retries of a method. */
function repetitionOf(method: DescMethod): Pick<GrpcMethodConfig, "retryPolicy" | "hedgingPolicy"> {
  if (method.methodKind !== "unary") return {};
  const hedge = hedgeOf(method);
  if (hedge) {
    const { attemptsMax, delayMs } = hedge;
    const hedgingDelay = seconds(delayMs);
    const nonFatalStatusCodes = ["UNAVAILABLE"];
    return { hedgingPolicy: { maxAttempts: attemptsMax, hedgingDelay, nonFatalStatusCodes } };
  }
  const { attemptsMax, backoffMsMin, backoffMsMax } = retryOf(method);
  if (attemptsMax < 2 || !isAlwaysRepeatable(method)) return {};
  return {
    retryPolicy: {
      maxAttempts: attemptsMax,
      initialBackoff: seconds(backoffMsMin),
      maxBackoff: seconds(backoffMsMax),
      backoffMultiplier: 2,
      retryableStatusCodes: ["UNAVAILABLE"],
    },
  };
}

/**
 * gRPC does not look into a request for its idempotency key: a method is only repeated where the
 * schema refuses requests without one.
 */
function isAlwaysRepeatable(method: DescMethod): boolean {
  const empty = create(method.input);
  if (isRepeatable(method, empty)) return true;
  const { idempotencyKeyField } = methodPolicy(method);
  return validate(method.input, empty).some(({ field }) => field === idempotencyKeyField);
}

function seconds(ms: number): string {
  return `${ms / 1_000}s`;
}
