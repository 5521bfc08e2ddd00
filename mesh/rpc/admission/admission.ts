// Whether a call may begin, decided before any of its work: it must have the time that its method
// takes, its caller must keep to its rate, and the process must have a place for it. Nobody queues:
// who waits here would only be late there.

import type { ConnectError } from "@connectrpc/connect";
import { RateClass } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import type { Rate } from "../../identity/access.ts";
import type { Metrics } from "../../process/metrics.ts";
import { refuseRequest } from "../errors.ts";
import { type ConcurrencyBounds, createConcurrency, mayEnter } from "./concurrency.ts";
import { createLatencyFloor } from "./latency-floor.ts";
import { createPushback } from "./pushback.ts";
import { type Bucket, takeToken } from "./rate-limit.ts";

export type AdmissionOptions = {
  readonly concurrency: ConcurrencyBounds;
  /** Streams open at once; they last, so they take no place among the calls. */
  readonly streamsMax: number;
  readonly metrics: Metrics;
};

export type AdmissionRule = {
  /** `service/method` */
  readonly name: string;
  readonly kind: "call" | "stream";
  readonly rateClass: RateClass;
  /** A call that takes longer is slow. */
  readonly targetMs: number;
};

export type AskingCall = {
  readonly identity: string;
  /** What the caller may do a second, by rate class. */
  readonly rates: ReadonlyMap<RateClass, Rate> | undefined;
  /** Undefined: no end. */
  readonly timeoutMs: number | undefined;
};

/** How a call ended: answered, refused or failed by its handler, or cut off before that. */
export type CallEnd = "answered" | "failed" | "cut";

export type MethodAdmission = {
  /** The refusal; undefined: the call has its place, and must leave it. */
  readonly enter: (call: AskingCall, nowMs: number) => ConnectError | undefined;
  readonly leave: (end: CallEnd, startedAtMs: number, nowMs: number) => void;
};

export type Admission = {
  readonly method: (rule: AdmissionRule) => MethodAdmission;
};

const classNames: Readonly<Record<number, string>> = {
  [RateClass.CRITICAL]: "critical",
  [RateClass.INTERACTIVE]: "interactive",
  [RateClass.BULK]: "bulk",
};

/** Who may wait longest comes back last. */
const overloadedWaitMs: Readonly<Record<number, number>> = {
  [RateClass.CRITICAL]: 100,
  [RateClass.INTERACTIVE]: 400,
  [RateClass.BULK]: 2_000,
};

const slowTimesBest = 2;
/** One call this often is let through although it seems hopeless: what it takes is news. */
const probeMs = 1_000;

export function createAdmission(options: AdmissionOptions): Admission {
  const { streamsMax } = options;
  const concurrency = createConcurrency(options.concurrency);
  const buckets = new Map<string, Bucket>();
  const pushback = createPushback();
  let streams = 0;
  const shed = admissionMetrics(options.metrics, {
    concurrency: concurrency.count,
    limit: concurrency.limit,
    streams: () => streams,
  });

  function method({ name, kind, rateClass, targetMs }: AdmissionRule): MethodAdmission {
    const floor = createLatencyFloor();
    const rateName = classNames[rateClass] ?? "none";
    const labels = { method: name, rate_class: rateName };
    const overloadedText = `too many calls at once, this one is ${rateName}`;
    let probedAtMs = Number.NEGATIVE_INFINITY;

    function tooShort(timeoutMs: number, nowMs: number): ConnectError | undefined {
      const bestMs = floor.bestMs(nowMs) ?? 0;
      if (timeoutMs > bestMs) return undefined;
      if (timeoutMs > 0 && nowMs - probedAtMs > probeMs) {
        probedAtMs = nowMs;
        return undefined;
      }
      shed.inc({ ...labels, reason: "deadline" });
      const takes = bestMs > 0 ? `, ${name} takes ${Math.ceil(bestMs)} ms at best` : "";
      const refusal = RequestRefusal.DEADLINE_TOO_SHORT;
      return refuseRequest(refusal, `the call has ${Math.floor(timeoutMs)} ms left${takes}`);
    }

    function overRate(identity: string, rate: Rate, nowMs: number): ConnectError | undefined {
      const key = `${identity} ${rateClass}`;
      const taken = takeToken(buckets.get(key), rate, nowMs);
      buckets.set(key, taken.bucket);
      if (taken.allowed) return undefined;
      shed.inc({ ...labels, reason: "rate" });
      const text = `the caller exceeds ${rate.perSecond} ${rateName} calls a second`;
      return pushback.refuse(RequestRefusal.RATE_LIMITED, text, taken.waitMs);
    }

    function overloaded(reason: string): ConnectError {
      shed.inc({ ...labels, reason });
      const waitMs = (overloadedWaitMs[rateClass] ?? 0) * (0.75 + Math.random() / 2);
      return pushback.refuse(RequestRefusal.OVERLOADED, overloadedText, waitMs);
    }

    return {
      enter({ identity, rates, timeoutMs }, nowMs) {
        if (timeoutMs !== undefined) {
          const refusal = tooShort(timeoutMs, nowMs);
          if (refusal) return refusal;
        }
        const rate = rates?.get(rateClass);
        if (rate) {
          const refusal = overRate(identity, rate, nowMs);
          if (refusal) return refusal;
        }
        if (kind === "stream") {
          if (!mayEnter(rateClass, streams, streamsMax)) return overloaded("streams");
          streams += 1;
          return undefined;
        }
        return concurrency.enter(rateClass) ? undefined : overloaded("concurrency");
      },
      leave(end, startedAtMs, nowMs) {
        if (kind === "stream") {
          streams -= 1;
          return;
        }
        const latencyMs = nowMs - startedAtMs;
        const bestMs = floor.bestMs(nowMs);
        const slowness = slownessOf(end, latencyMs, targetMs, bestMs);
        if (end === "answered") floor.add(latencyMs, nowMs);
        concurrency.leave(slowness === undefined ? undefined : { startedAtMs, slowness }, nowMs);
      },
    };
  }

  return { method };
}

/** Undefined where it cannot be told: a caller that left early says nothing about the server. */
export function slownessOf(
  end: CallEnd,
  latencyMs: number,
  targetMs: number,
  bestMs: number | undefined,
): number | undefined {
  // What is slow by nature is not slow because there is too much of it.
  const mayTakeMs = Math.max(targetMs, (bestMs ?? 0) * slowTimesBest);
  if (end !== "cut" || latencyMs > mayTakeMs) return latencyMs / mayTakeMs;
  // Its caller gave it less time than we may take, and still more than it should have needed.
  const isSlow = bestMs !== undefined && latencyMs > bestMs * slowTimesBest;
  return isSlow ? latencyMs / (bestMs * slowTimesBest) : undefined;
}

function admissionMetrics(
  metrics: Metrics,
  read: Readonly<Record<"concurrency" | "limit" | "streams", () => number>>,
) {
  metrics.gauge({
    name: "bursar_rpc_concurrency",
    help: "Calls under way, streams aside",
    collect: (gauge) => gauge.set(read.concurrency()),
  });
  metrics.gauge({
    name: "bursar_rpc_concurrency_limit",
    help: "Calls that may be under way at once",
    collect: (gauge) => gauge.set(read.limit()),
  });
  metrics.gauge({
    name: "bursar_rpc_streams",
    help: "Streams under way",
    collect: (gauge) => gauge.set(read.streams()),
  });
  return metrics.counter({
    name: "bursar_rpc_shed_total",
    help: "Calls refused before any work, by method, rate class and reason",
    labels: ["method", "rate_class", "reason"],
  });
}
