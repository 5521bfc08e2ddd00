// The graph as the schema has it: who may call, tell and read what, and what for.

import type { DescMessage, DescMethod, DescService, FileRegistry } from "@bufbuild/protobuf";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { nameOf, optionOf } from "#mesh/policy/problem.ts";
import { findStreams } from "#mesh/policy/stream-policy.ts";
import { type Place, placeOf } from "../place.ts";

export type Method = {
  readonly name: string;
  readonly desc: DescMethod;
  /** Who serves it; empty: every service. */
  readonly server: string;
  readonly callers: readonly string[];
  /** Methods that are called to answer it. */
  readonly calls: readonly string[];
  readonly place: Place;
};

export type Event = {
  readonly name: string;
  readonly desc: DescMessage;
  readonly stream: string;
  /** It is for whoever comes. */
  readonly offered: boolean;
  readonly producers: readonly string[];
  readonly consumers: readonly string[];
  readonly calls: readonly { readonly consumer: string; readonly methods: readonly string[] }[];
  readonly place: Place;
};

export type Served = {
  readonly name: string;
  readonly desc: DescService;
  readonly identity: string;
  /** Methods that its process calls by itself. */
  readonly calls: readonly string[];
  readonly place: Place;
};

export type Declared = {
  readonly services: readonly Served[];
  /** By full name. */
  readonly methods: ReadonlyMap<string, Method>;
  readonly events: ReadonlyMap<string, Event>;
};

export function readDeclared(registry: FileRegistry): Declared {
  // Standard contracts, such as health, have no policies: every identity may call them.
  const files = [...registry.files].filter(({ services, messages }) => {
    return services.some(hasPolicy) || messages.some(isEvent);
  });
  const services = files.flatMap((file) => file.services.filter(hasPolicy).map(servedOf));
  const methods = services.flatMap(({ desc }) => desc.methods.map(methodOf));
  const events = files.flatMap((file) => file.messages.filter(isEvent).map(eventOf));
  return {
    services,
    methods: new Map(methods.map((method) => [method.name, method])),
    events: new Map(events.map((event) => [event.name, event])),
  };
}

function hasPolicy(service: DescService): boolean {
  return optionOf(service, options.service) !== undefined;
}

function isEvent(message: DescMessage): boolean {
  return optionOf(message, options.event) !== undefined;
}

function servedOf(desc: DescService): Served {
  const { identity = "", calls = [] } = optionOf(desc, options.service) ?? {};
  return { name: nameOf(desc), desc, identity, calls, place: placeOf(desc) };
}

function methodOf(desc: DescMethod): Method {
  const { callers = [], calls = [] } = optionOf(desc, options.method) ?? {};
  const server = optionOf(desc.parent, options.service)?.identity ?? "";
  return { name: nameOf(desc), desc, server, callers, calls, place: placeOf(desc) };
}

function eventOf(desc: DescMessage): Event {
  const policy = optionOf(desc, options.event);
  const offered = findStreams(desc.file).some((stream) => stream.policy.offered);
  const { stream = "", producers = [], consumers = [], calls = [] } = policy ?? {};
  return {
    name: nameOf(desc),
    desc,
    stream,
    offered,
    producers,
    consumers,
    calls,
    place: placeOf(desc),
  };
}

/** Who calls, and to do what. */
export type Purpose = {
  readonly caller: string;
  /** For people: the method, the event that is handled, or work in the background. */
  readonly what: string;
  readonly method: Method | undefined;
  readonly calls: readonly string[];
  readonly place: Place;
};

/** Everything that is done by calling somebody else. */
export function purposesOf({ services, methods, events }: Declared): Purpose[] {
  return [
    ...[...methods.values()].map((method) => {
      const { name: what, server: caller, calls, place } = method;
      return { caller, what, method, calls, place };
    }),
    ...[...events.values()].flatMap(({ name, calls, place }) =>
      calls.map(({ consumer: caller, methods: called }) => {
        return {
          caller,
          what: `${caller} handling ${name}`,
          method: undefined,
          calls: called,
          place,
        };
      }),
    ),
    ...services.map(({ name, identity: caller, calls, place }) => {
      return { caller, what: `${name} in the background`, method: undefined, calls, place };
    }),
  ].filter(({ calls }) => calls.length > 0);
}
