// The mesh client: Connect (or gRPC) over HTTP/2 with mutual TLS. A call
// inherits deadline and trace of the call being served, and is repeated only
// where a second one does no harm.

import { setTimeout as sleep } from "node:timers/promises";
import { create, type DescService, hasOption } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { service as serviceOption } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { identityPrefix } from "../identity/tls.ts";
import { isRepeatable, servicePolicy } from "../policy/policy.ts";
import type { TlsFiles } from "../process/config.ts";
import { boundedTimeoutMs, currentCall, nextTraceparent } from "./deadline.ts";
import {
  asConnectError,
  attemptsMax,
  createRetryBudget,
  isUnavailable,
  type RetryBudget,
  retryDelayMs,
  wasNotProcessed,
} from "./retry.ts";
import { createSessions } from "./session.ts";

export type ClientOptions = {
  /** `https://<host>:<port>` */
  readonly url: string;
  readonly tls: TlsFiles;
  /** Deadline of a call that sets none itself; it never outlives the call being served. */
  readonly timeoutMs?: number;
  readonly protocol?: "connect" | "grpc";
};

export type OpenClient<S extends DescService> = AsyncDisposable & { readonly rpc: Client<S> };

const timeoutMsDefault = 10_000;
const readMaxBytes = 16 * 1024 * 1024;

/** Connects with the first call. */
export function openClient<S extends DescService>(
  service: S,
  options: ClientOptions,
): OpenClient<S> {
  const { url, tls, timeoutMs = timeoutMsDefault, protocol = "connect" } = options;
  const identity = hasOption(service, serviceOption) ? servicePolicy(service).identity : "";
  const sessionManager = createSessions({
    url,
    tls,
    serverIdentity: identity ? `${identityPrefix}${identity}` : undefined,
  });
  const common = { baseUrl: url, sessionManager, readMaxBytes };
  const transport =
    protocol === "grpc"
      ? createGrpcTransport(common)
      : createConnectTransport({ ...common, httpVersion: "2" });
  return {
    rpc: createClient(service, meshTransport(transport, timeoutMs)),
    async [Symbol.asyncDispose]() {
      sessionManager.abort(new ConnectError("the client is closed", Code.Canceled));
    },
  };
}

function meshTransport(inner: Transport, timeoutMsDefault: number): Transport {
  const budget = createRetryBudget();
  return {
    unary(method, signal, timeoutMs, header, input, contextValues) {
      const request = create(method.input, input);
      const attempt = (leftMs: number) =>
        inner.unary(method, signal, leftMs, traced(header), request as typeof input, contextValues);
      const timeout = boundedTimeoutMs(timeoutMs ?? timeoutMsDefault) ?? timeoutMsDefault;
      return withRetries(attempt, {
        timeoutMs: timeout,
        repeatable: isRepeatable(method, request),
        signal,
        budget,
      });
    },
    stream(method, signal, timeoutMs, header, input, contextValues) {
      // A stream may be meant to last: only the call being served bounds it.
      const timeout = boundedTimeoutMs(timeoutMs);
      return inner.stream(method, signal, timeout, traced(header), input, contextValues);
    },
  };
}

type RetryOptions = {
  readonly timeoutMs: number;
  readonly repeatable: boolean;
  readonly signal: AbortSignal | undefined;
  readonly budget: RetryBudget;
};

async function withRetries<R>(
  attempt: (leftMs: number) => Promise<R>,
  { timeoutMs, repeatable, signal, budget }: RetryOptions,
): Promise<R> {
  const deadlineAt = performance.now() + timeoutMs;
  let attempts = 0;
  let mayRepeatUnprocessed = true;
  for (;;) {
    const leftMs = Math.max(1, Math.floor(deadlineAt - performance.now()));
    try {
      const response = await attempt(leftMs);
      budget.succeeded();
      return response;
    } catch (cause) {
      const error = ConnectError.from(cause);
      if (mayRepeatUnprocessed && wasNotProcessed(error)) {
        mayRepeatUnprocessed = false;
        continue;
      }
      attempts += 1;
      const delayMs = retryDelayMs(attempts);
      const isInTime = performance.now() + delayMs < deadlineAt;
      const mayRetry = repeatable && isUnavailable(error) && attempts < attemptsMax;
      if (!mayRetry || !isInTime || signal?.aborted || !budget.spend()) throw asConnectError(error);
      await sleep(delayMs);
    }
  }
}

function traced(header: ConstructorParameters<typeof Headers>[0]): Headers {
  const headers = new Headers(header);
  if (!headers.has("traceparent")) {
    headers.set("traceparent", nextTraceparent(currentCall()?.traceparent));
  }
  return headers;
}
