// One record a call, from its first header to its answer: every call is counted, logged and traced
// exactly once, however far it came: refused at the gate, lost while its body was read, or answered
// by its handler.

import { hash } from "node:crypto";
import { type DescMethod, hasOption } from "@bufbuild/protobuf";
import { Code, type ConnectError, createContextKey } from "@connectrpc/connect";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { methodPolicy, servicePolicy } from "../policy/policy.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { isServerFault, methodName, rpcOutcome, rpcSpan } from "../telemetry/rpc.ts";
import { inSpan, type Span, startSpan } from "../telemetry/trace.ts";
import { refusalFacts } from "./refusal-facts.ts";

export type CallRecord = {
  readonly method: DescMethod;
  readonly startedAt: number;
  readonly span: Span;
  identity: string | undefined;
  /** Of the end user whose token came along, once it is verified. */
  learnerId: string | undefined;
  /** True once the request was read and the handler's side of the call has begun. */
  entered: boolean;
  closed: boolean;
};

export const recordKey = createContextKey<CallRecord | undefined>(undefined);

/** `traceparent` as a caller of the mesh sent it; null: the call begins a trace. */
export function createRecord(method: DescMethod, traceparent: string | null): CallRecord {
  const span = startSpan(rpcSpan(method, "server", traceparent));
  return {
    method,
    startedAt: performance.now(),
    span,
    identity: undefined,
    learnerId: undefined,
    entered: false,
    closed: false,
  };
}

export type Recorder = {
  /** Counts the outcome, once; `error` is what was answered, undefined for success. */
  readonly close: (record: CallRecord, error: ConnectError | undefined) => void;
};

export function createRecorder(log: Log, metrics: Metrics): Recorder {
  const requests = metrics.counter({
    name: "bursar_rpc_requests_total",
    help: "RPCs answered, by method and code",
    labels: ["method", "owner", "rate_class", "code"],
  });
  const durations = metrics.timing({
    name: "bursar_rpc_duration_seconds",
    help: "Time from the headers of an RPC to its answer",
    labels: ["method", "owner", "rate_class"],
  });
  const known = new WeakMap<DescMethod, MethodLabels>();
  const labelsOf = (method: DescMethod) => {
    const labels = known.get(method) ?? readLabels(method);
    known.set(method, labels);
    return labels;
  };
  return {
    close(record, error) {
      if (record.closed) return;
      record.closed = true;
      const { span, identity } = record;
      const { audit, ...labels } = labelsOf(record.method);
      const { method } = labels;
      const code = error === undefined ? "ok" : codeName(error.code);
      const seconds = (performance.now() - record.startedAt) / 1_000;
      requests.inc({ ...labels, code });
      durations.observe(labels, seconds, span);
      const durationMs = Math.round(seconds * 1_000_000) / 1_000;
      inSpan(span, () => {
        const fields = { method, code, identity, durationMs, ...(audit && endUserOf(record)) };
        if (error !== undefined) {
          const facts = { ...fields, ...refusalFacts(error) };
          log[audit ? "audit" : "info"]("call refused or failed", facts);
        } else log[audit ? "audit" : "debug"]("call answered", fields);
      });
      span.set({
        ...rpcOutcome(code),
        ...(identity !== undefined && { "bursar.caller": identity }),
      });
      span.end(isServerFault(code) ? error : undefined);
    },
  };
}

/** Ids of people stay out of logs: whoever knows one can tell whether the record is about them. */
function endUserOf({ learnerId }: CallRecord): { readonly endUser?: string } {
  if (learnerId === undefined) return {};
  return { endUser: hash("sha256", learnerId).slice(0, 16) };
}

type MethodLabels = {
  readonly method: string;
  readonly owner: string;
  readonly rate_class: string;
  readonly audit: boolean;
};

/** What the policy says; health and reflection, which have none, are the mesh's own. */
function readLabels(method: DescMethod): MethodLabels {
  const name = methodName(method);
  if (!hasOption(method, options.method)) {
    return { method: name, owner: "mesh", rate_class: "none", audit: false };
  }
  const { rateClass, audit } = methodPolicy(method);
  const { owner } = servicePolicy(method.parent);
  const rateClassName = options.RateClassSchema.value[rateClass]?.localName ?? String(rateClass);
  return { method: name, owner, rate_class: rateClassName.toLowerCase(), audit };
}

/** `DeadlineExceeded` → `deadline_exceeded`, as the Connect protocol spells it. */
export function codeName(code: Code): string {
  return (Code[code] ?? "unknown").replace(/(?!^)[A-Z]/g, "_$&").toLowerCase();
}
