// Which way a message travels: what callers send, what they are answered, and what is told on the
// broker. A rule that is tightened hurts senders; one that is loosened hurts readers.

import type { DescMessage, DescService, Registry } from "@bufbuild/protobuf";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { optionOf } from "#mesh/policy/problem.ts";

export type Travels = {
  /** Methods whose requests hold the message. */
  readonly sent: ReadonlySet<string>;
  /** Methods whose responses hold it. */
  readonly answered: ReadonlySet<string>;
  /** Events that are it or hold it. */
  readonly told: ReadonlySet<string>;
};

export type Directions = (message: DescMessage) => Travels;

const nowhere: Travels = { sent: new Set(), answered: new Set(), told: new Set() };

export function directionsIn(registry: Registry): Directions {
  const found = new Map<string, Record<keyof Travels, Set<string>>>();
  const mark = (message: DescMessage, way: keyof Travels, by: string) => {
    const travels = found.get(message.typeName) ?? {
      sent: new Set(),
      answered: new Set(),
      told: new Set(),
    };
    found.set(message.typeName, travels);
    if (travels[way].has(by)) return;
    travels[way].add(by);
    for (const { message: inside } of message.fields) if (inside) mark(inside, way, by);
  };
  for (const type of registry) {
    if (type.kind === "service") markService(type, mark);
    if (type.kind === "message" && optionOf(type, options.event)) mark(type, "told", type.typeName);
  }
  return ({ typeName }) => found.get(typeName) ?? nowhere;
}

function markService(
  service: DescService,
  mark: (message: DescMessage, way: keyof Travels, by: string) => void,
): void {
  for (const { input, output, name } of service.methods) {
    mark(input, "sent", `${service.typeName}.${name}`);
    mark(output, "answered", `${service.typeName}.${name}`);
  }
}
