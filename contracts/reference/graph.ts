// Who tells whom what, as a picture and as a list: derived from the policies of the events, so it
// is the graph that the broker enforces.

import type { DescMessage } from "@bufbuild/protobuf";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { optionOf } from "#mesh/policy/problem.ts";
import { commentOf } from "./comments.ts";

export function eventsPage(messages: readonly DescMessage[]): string {
  const events = messages.flatMap((message) => {
    const policy = optionOf(message, options.event);
    return policy ? [{ message, policy }] : [];
  });
  const byStream = Map.groupBy(events, ({ policy }) => policy.stream);
  const streams = [...byStream].sort(([a], [b]) => (a < b ? -1 : 1));
  const arrows = streams.flatMap(([stream, told]) => [
    ...unique(told.flatMap(({ policy }) => policy.producers)).map(
      (name) => `  ${idOf(name)}["${name}"] --> ${stream}`,
    ),
    ...unique(told.flatMap(({ policy }) => policy.consumers)).map(
      (name) => `  ${stream} --> ${idOf(name)}["${name}"]`,
    ),
  ]);
  const picture = [
    "```mermaid",
    "flowchart LR",
    ...streams.map(([stream]) => `  ${stream}[/"${stream}"/]`),
    ...arrows,
    "```",
  ];
  return `${[
    "# Events",
    "Generated from the protos by `make gen`. An event's full name is its subject on the broker.",
    picture.join("\n"),
    ...streams.map(([stream, told]) => sectionOf(stream, told)),
  ].join("\n\n")}\n`;
}

type Told = { readonly message: DescMessage; readonly policy: options.EventPolicy };

function sectionOf(stream: string, told: readonly Told[]): string {
  const rows = told.map(({ message, policy }) => {
    const { version, keyField, producers, consumers, dedupeIdFields } = policy;
    const cells = [
      `\`${message.typeName}\``,
      String(version),
      `\`${keyField}\``,
      dedupeIdFields.map((name) => `\`${name}\``).join("/"),
      [...producers].sort().join(", "),
      [...consumers].sort().join(", ") || "nobody yet",
      commentOf(message)
        .replace(/\s*\n\s*/g, " ")
        .replaceAll("|", "\\|"),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  const head = "| event | version | key | id | told by | read by | |";
  return [`## ${stream}`, [head, "|---|---|---|---|---|---|---|", ...rows].join("\n")].join("\n\n");
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}

function idOf(name: string): string {
  return name.replaceAll("-", "_");
}
