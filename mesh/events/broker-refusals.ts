// What the broker refuses a process: subjects that its user may not use, and the process itself.
// It is said at once and counted, and not again for every attempt that follows.

import { errors } from "@nats-io/transport-node";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";

const againAfterMs = 60_000;
/** What was said is remembered up to here: a subject may hold an id. */
const rememberedMax = 1_000;

/** True when the broker does not let this process do what it asked for. */
export function isForbidden(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) {
    if (one instanceof errors.PermissionViolationError) return true;
  }
  return false;
}

/** Reports what the broker complains of. */
export function createRefusals(options: {
  readonly name: string;
  readonly log: Log;
  readonly metrics: Metrics;
}): (error: Error) => void {
  const { name, log, metrics } = options;
  const refusals = metrics.counter({
    name: "bursar_broker_refusals_total",
    help: "What the broker refused: a publish, a subscription, or the process itself",
    labels: ["operation"],
  });
  const saidAtMs = new Map<string, number>();
  const say = (what: string, tell: () => void) => {
    const now = performance.now();
    const before = saidAtMs.get(what);
    if (before !== undefined && now - before < againAfterMs) return;
    if (saidAtMs.size >= rememberedMax) saidAtMs.clear();
    saidAtMs.set(what, now);
    tell();
  };
  return (error) => {
    if (error instanceof errors.PermissionViolationError) {
      const { operation, subject } = error;
      refusals.inc({ operation });
      say(`${operation} ${subject}`, () => {
        log.error(`the broker forbids it: ${reasonOf(name, subject)}`, { operation, subject });
      });
      return;
    }
    const isRefused =
      error instanceof errors.AuthorizationError ||
      error instanceof errors.UserAuthenticationExpiredError;
    if (isRefused) refusals.inc({ operation: "connect" });
    const what = isRefused ? "the broker refuses this process" : "the broker reports an error";
    say(error.message, () => log.warn(what, { error }));
  };
}

function reasonOf(name: string, subject: string): string {
  if (/^\$JS\.API\.STREAM\.(CREATE|UPDATE)\./.test(subject)) {
    return "the stream is missing or differs, and an operator declares it (docs/identity.md)";
  }
  return (
    `${name} is not named as a producer or consumer there, ` +
    "or the broker's users are older than the schema"
  );
}
