// The whole mesh as a picture: who tells and reads which stream, and who calls whom.

import { describePath, type Path } from "./budget.ts";
import { type Declared, type Event, purposesOf } from "./declared.ts";

export function graphPage(declared: Declared, paths: readonly Path[]): string {
  const services = new Set([
    ...declared.services.map(({ identity }) => identity),
    ...[...declared.events.values()].flatMap(({ producers, consumers }) => [
      ...producers,
      ...consumers,
    ]),
  ]);
  services.delete("");
  const streams = Map.groupBy(declared.events.values(), ({ stream }) => stream);
  const lines = [
    ...[...services].sort().map((name) => `  ${idOf(name)}["${name}"]`),
    ...[...streams.keys()].sort().map((name) => `  ${name}[/"${name}"/]`),
    `  others(["whoever holds the scopes"])`,
    ...[...streams].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(streamEdges),
    ...callEdges(declared),
  ];
  return `${[
    "# The mesh",
    "Generated from the protos by `make gen`. `make check` proves that the code has these edges.",
    "Solid arrows are events, dotted ones are calls.",
    ["```mermaid", "flowchart LR", ...lines, "```"].join("\n"),
    "## Calls between services",
    paths.map((path) => `- ${describePath(path)}`).join("\n") || "None.",
  ].join("\n\n")}\n`;
}

function streamEdges([stream, events]: [string, readonly Event[]]): string[] {
  const told = new Set(events.flatMap(({ producers }) => producers));
  const read = new Set(events.flatMap(({ consumers }) => consumers));
  return [
    ...[...told].sort().map((name) => `  ${idOf(name)} --> ${stream}`),
    ...[...read].sort().map((name) => `  ${stream} --> ${idOf(name)}`),
  ];
}

function callEdges(declared: Declared): string[] {
  const { methods } = declared;
  const named = purposesOf(declared).flatMap(({ caller, calls }) =>
    calls.flatMap((name) => {
      const method = methods.get(name);
      return method ? [{ caller, server: method.server, name: method.desc.name }] : [];
    }),
  );
  const byEdge = Map.groupBy(named, ({ caller, server }) => `${caller} ${server}`);
  const edges = [...byEdge.values()].map((calls) => {
    const [{ caller, server } = { caller: "", server: "" }] = calls;
    const names = [...new Set(calls.map(({ name }) => name))].sort().join(", ");
    return `  ${idOf(caller)} -. "${names}" .-> ${idOf(server)}`;
  });
  const open = [...methods.values()].filter(({ callers, server }) => {
    return server !== "" && callers.includes("*");
  });
  const servers = [...new Set(open.map(({ server }) => server))].sort();
  return [...edges.sort(), ...servers.map((server) => `  others -.-> ${idOf(server)}`)];
}

function idOf(name: string): string {
  return name.replaceAll("-", "_");
}
