// The consumers of a service from the handlers it declares: one for each stream, named after both.

import assert from "node:assert/strict";
import type { DescMessage } from "@bufbuild/protobuf";
import type { HandleBatch, Verdict } from "../events/consumer-definition.ts";
import { eventPolicy } from "../policy/policy.ts";
import type { EmitIn } from "./emit.ts";
import type { EventHandler, StreamHandler } from "./event-handler.ts";
import type { ServiceDefinition } from "./service-definition.ts";

/** Few enough that a batch commits in milliseconds, and enough to share the commit. */
const batchMax = 100;

export function consumersOf(
  { service, consumes = [] }: ServiceDefinition,
  emit: EmitIn,
): readonly StreamHandler[] {
  const whole = consumes.filter((handler) => "stream" in handler);
  const single = consumes.filter((handler) => "event" in handler);
  const byStream = Map.groupBy(single, ({ event }) => eventPolicy(event).stream);
  const grouped = [...byStream].map(([stream, handlers]): StreamHandler => {
    return {
      consumer: `${service}-${stream}`,
      stream,
      events: handlers.map(({ event }) => event),
      batchMax,
      handle: oneByOne(handlers, emit),
    };
  });
  const consumers = [...whole, ...grouped];
  requireOnce(
    service,
    "stream",
    consumers.map(({ stream }) => stream),
  );
  requireOnce(
    service,
    "event",
    consumers.flatMap(({ events }) => events.map(({ typeName }) => typeName)),
  );
  return consumers;
}

function oneByOne(handlers: readonly EventHandler[], emit: EmitIn): HandleBatch<DescMessage> {
  const byName = new Map(handlers.map((handler) => [handler.event.typeName, handler]));
  return async (tx, batch) => {
    const verdicts: Verdict[] = [];
    for (const { message } of batch) {
      const handler = byName.get(message.$typeName);
      assert(handler, `nobody handles ${message.$typeName}`);
      const dead = await handler.handle(tx, message, (event, fields) => emit(tx, event, fields));
      verdicts.push(dead ?? { kind: "handled" });
    }
    return { verdicts, arrived: [] };
  };
}

function requireOnce(service: string, what: string, names: readonly string[]): void {
  const twice = names.find((name, n) => names.indexOf(name) < n);
  if (twice === undefined) return;
  throw new Error(`${service} declares two consumers of the ${what} ${twice}: make them one`);
}
