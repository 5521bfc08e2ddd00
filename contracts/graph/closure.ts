// Authority closure: what the schema grants is what the code uses, no less and no more. A call
// without a grant would be refused where it matters; a grant without a call is a door that nobody
// watches.

import type { Finding } from "../finding.ts";
import type { Place } from "../place.ts";
import { type CodeGraph, type CodeService, graphError } from "./code.ts";
import { type Declared, type Event, type Method, purposesOf } from "./declared.ts";
import { type Outside, outsideFile } from "./outside.ts";

export type Graphs = {
  readonly declared: Declared;
  readonly code: CodeGraph;
  readonly outside: Outside;
};

export function closureFindings(graphs: Graphs): Finding[] {
  return [
    ...graphs.code.unreadable,
    ...outsideFindings(graphs),
    ...strangerFindings(graphs),
    ...callFindings(graphs),
    ...grantFindings(graphs),
    ...purposeFindings(graphs),
    ...[...graphs.declared.methods.values()].flatMap((method) => methodFindings(graphs, method)),
    ...[...graphs.declared.events.values()].flatMap((event) => eventFindings(graphs, event)),
    ...roleFindings(graphs),
  ];
}

type Said = Pick<Finding, "change" | "why" | "remedy"> & { readonly affected?: readonly string[] };

function wrong(name: string, place: Place, said: Said): Finding {
  return { ...graphError(name, place), ...said };
}

function serviceNamed({ code }: Graphs, name: string): CodeService | undefined {
  return code.services.find(({ service }) => service === name);
}

function isOutside({ outside }: Graphs, name: string): boolean {
  return outside.entries.some(({ identity }) => identity === name);
}

function isKnown(graphs: Graphs, name: string): boolean {
  return serviceNamed(graphs, name) !== undefined || isOutside(graphs, name);
}

type Named = { readonly identity: string; readonly name: string; readonly place: Place };

/** Every place of the schema that names a service. */
function namedIn({ services, methods, events }: Declared): Named[] {
  return [
    ...services.map(({ name, identity, place }) => ({ identity, name, place })),
    ...[...methods.values()].flatMap(({ name, callers, place }) =>
      callers.map((identity) => ({ identity, name, place })),
    ),
    ...[...events.values()].flatMap(({ name, producers, consumers, place }) =>
      [...producers, ...consumers].map((identity) => ({ identity, name, place })),
    ),
  ].filter(({ identity }) => identity !== "" && identity !== "*");
}

function outsideFindings(graphs: Graphs): Finding[] {
  const { entries, problems } = graphs.outside;
  const named = new Set(namedIn(graphs.declared).map(({ identity }) => identity));
  const told = problems.map(({ line, problem }) =>
    wrong(
      "services elsewhere",
      { file: outsideFile, line },
      {
        change: problem,
        why: "who has code elsewhere is known by this list alone",
        remedy: "mend the entry, or remove it",
      },
    ),
  );
  const idle = entries.flatMap(({ identity, line }) => {
    const isHere = serviceNamed(graphs, identity) !== undefined;
    if (named.has(identity) && !isHere) return [];
    return wrong(
      identity,
      { file: outsideFile, line },
      {
        change: isHere ? "its code is in this repository" : "the schema names it nowhere",
        why: "an entry that means nothing hides the next mistake",
        remedy: "remove the entry",
      },
    );
  });
  return [...told, ...idle];
}

/** Nobody has the code of who is named. */
function strangerFindings(graphs: Graphs): Finding[] {
  const strange = namedIn(graphs.declared).filter(({ identity }) => !isKnown(graphs, identity));
  return strange.map(({ identity, name, place }) =>
    wrong(name, place, {
      change: `it names ${identity}, of which there is no code`,
      why: "a misspelt name grants nothing, and a forgotten one grants too much",
      affected: [identity],
      remedy: `mend the name, or list ${identity} in ${outsideFile} if its code is elsewhere`,
    }),
  );
}

/** Calls without a grant. */
function callFindings(graphs: Graphs): Finding[] {
  const { declared, code } = graphs;
  const purposes = purposesOf(declared);
  return code.services.flatMap(({ service, calls }) =>
    calls.flatMap(({ method: name, place }): Finding[] => {
      const method = declared.methods.get(name);
      const found: Finding[] = [];
      if (!method?.callers.includes(service)) {
        const at = method ? ` at ${method.place.file}:${method.place.line}` : "";
        found.push(
          wrong(name, place, {
            change: `${service} calls it, and is not among its callers`,
            why: "services of this repository call each other by name: `*` is for everybody else",
            affected: [service],
            remedy: `add "${service}" to callers${at}, or take the call out`,
          }),
        );
      }
      if (!purposes.some((one) => one.caller === service && one.calls.includes(name))) {
        found.push(
          wrong(name, place, {
            change: `${service} calls it, and no policy of ${service} says what for`,
            why: "deadlines and attempts are proven along the calls that policies name",
            affected: [service],
            remedy: "name it under `calls` of the method, event or service that it is called for",
          }),
        );
      }
      return found;
    }),
  );
}

function calls({ code }: Graphs, service: string, method: string): boolean {
  const found = code.services.find((one) => one.service === service);
  return found?.calls.some((call) => call.method === method) ?? false;
}

/** Grants without a call. */
function grantFindings(graphs: Graphs): Finding[] {
  return [...graphs.declared.methods.values()].flatMap(({ name, callers, place }) =>
    callers
      .filter((caller) => serviceNamed(graphs, caller) && !calls(graphs, caller, name))
      .map((caller) =>
        wrong(name, place, {
          change: `it admits ${caller}, whose code does not call it`,
          why: "a right that nobody uses is found by whoever breaks in",
          affected: [caller],
          remedy: `take "${caller}" out of callers, or make the call`,
        }),
      ),
  );
}

/** What `calls` of a policy say and the code does not. */
function purposeFindings(graphs: Graphs): Finding[] {
  return purposesOf(graphs.declared).flatMap(({ caller, what, calls: named, place }) =>
    named.flatMap((name): Finding[] => {
      const method = graphs.declared.methods.get(name);
      const why = "deadlines and attempts are proven along the calls that policies name";
      if (method === undefined) {
        const remedy = "name a method in full, such as bursar.ledger.v1.LedgerService.GetBalance";
        return [
          wrong(what, place, { change: `it calls ${name}, which is not there`, why, remedy }),
        ];
      }
      if (method.server === caller) {
        const remedy = "call the function: a service does not call itself over the network";
        return [wrong(what, place, { change: `it calls ${name} of its own`, why, remedy })];
      }
      if (isOutside(graphs, caller) || calls(graphs, caller, name)) return [];
      return [
        wrong(what, place, {
          change: `it says that it calls ${name}, and no code of ${caller || "a service"} does`,
          why,
          affected: [caller],
          remedy: "take it out of `calls`, or make the call",
        }),
      ];
    }),
  );
}

function methodFindings(graphs: Graphs, { name, callers, server, place }: Method): Finding[] {
  if (callers.some((caller) => caller === "*" || isKnown(graphs, caller))) return [];
  return [
    wrong(name, place, {
      change: "nobody may call it",
      why: "a method that is only there is maintained, and attacked, for nothing",
      affected: server ? [server] : [],
      remedy: "name its callers, `*` for whoever holds the scopes, or remove the method",
    }),
  ];
}

function eventFindings(graphs: Graphs, event: Event): Finding[] {
  const { name, producers, consumers, calls: handled, offered, stream, place } = event;
  const found: Finding[] = [];
  if (!producers.some((producer) => isKnown(graphs, producer))) {
    found.push(
      wrong(name, place, {
        change: "nobody tells it",
        why: "its readers wait for what never comes",
        affected: consumers,
        remedy: "name its producers, or remove the event",
      }),
    );
  }
  if (consumers.length === 0 && !offered) {
    found.push(
      wrong(name, place, {
        change: "nobody reads it",
        why: `${stream} is no stream for services elsewhere, so what is told is lost`,
        affected: producers,
        remedy: "name its consumers, or say `offered: true` in the policy of the stream",
      }),
    );
  }
  const strange = handled.filter(({ consumer }) => !consumers.includes(consumer));
  for (const { consumer } of strange) {
    found.push(
      wrong(name, place, {
        change: `its calls name ${consumer}, which does not read it`,
        why: "only who reads an event calls somebody to handle it",
        affected: [consumer],
        remedy: `add "${consumer}" to consumers, or take its calls out`,
      }),
    );
  }
  return found;
}

/** What services say in their code and what events say of them, both ways. */
function roleFindings(graphs: Graphs): Finding[] {
  const { declared, code } = graphs;
  return code.services.flatMap((service) => [
    ...roleOf(declared, service, "produces", "producers"),
    ...roleOf(declared, service, "consumes", "consumers"),
    ...[...service.idle].map(([name, place]) =>
      wrong(name, place, {
        change: `${service.service} lists it, and no other line of its code speaks of it`,
        why: "the broker grants what the list says, and nothing uses it",
        affected: [service.service],
        remedy: "take it out of the list and of the event's policy, or use it",
      }),
    ),
  ]);
}

function roleOf(
  { events }: Declared,
  service: CodeService,
  does: "produces" | "consumes",
  granted: "producers" | "consumers",
): Finding[] {
  const identity = service.service;
  const without = [...service[does]].filter(([name]) => {
    return !events.get(name)?.[granted].includes(identity);
  });
  const unused = [...events.values()].filter((event) => {
    return event[granted].includes(identity) && !service[does].has(event.name);
  });
  return [
    ...without.map(([name, place]) =>
      wrong(name, place, {
        change: `${identity} ${does} it, and is none of its ${granted}`,
        why: "the start of the service fails, and the broker refuses it",
        affected: [identity],
        remedy: `add "${identity}" to ${granted} of the event`,
      }),
    ),
    ...unused.map(({ name, place }) =>
      wrong(name, place, {
        change: `${identity} is one of its ${granted}, and its code in ${service.room.folder} is not`,
        why: "the broker grants what nobody uses",
        affected: [identity],
        remedy: `take "${identity}" out of ${granted}, or add it at ${at(service.place)}`,
      }),
    ),
  ];
}

function at({ file, line }: Place): string {
  return `${file}:${line}`;
}
