// What must hold before a service starts: its RPCs and its events are declared, and no declaration
// says what another one forbids. Everything that is wrong is told in one error.

import type { DescFile, DescMessage, DescService } from "@bufbuild/protobuf";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { eventPolicy, eventProblems } from "./event-policy.ts";
import { className, fieldPolicy } from "./field-policy.ts";
import { fieldProblems } from "./field-problems.ts";
import { methodProblems } from "./method-policy.ts";
import { optionOf, type PolicyProblem, remembered, throwProblems } from "./problem.ts";
import { type Reached, reachableFields } from "./reach.ts";
import { serviceProblems } from "./service-policy.ts";
import { findStreams, streamProblems } from "./stream-policy.ts";
import { maskProblems } from "./update-mask.ts";

/** Throws when a policy of the service, its methods or their fields is missing or wrong. */
export const checkService = remembered((service: DescService): true => {
  throwProblems(service.typeName, wholeServiceProblems(service));
  return true;
});

export type EventRoles = {
  /** Last part of the identity, for example `ledger-service`. */
  readonly service: string;
  readonly produces: readonly DescMessage[];
  readonly consumes: readonly DescMessage[];
};

/** Throws when a policy of an event is missing or wrong, or does not admit the service. */
export function checkEvents({ service, produces, consumes }: EventRoles): void {
  const events = [...new Set([...produces, ...consumes])];
  throwProblems(`the events of ${service}`, [
    ...events.flatMap(wholeEventProblems),
    ...produces.flatMap((event) => roleProblem(event, service, "producers")),
    ...consumes.flatMap((event) => roleProblem(event, service, "consumers")),
    ...sharedStreamProblems(events.map(({ file }) => file)),
  ]);
}

/** Throws when the message is no event. */
export function isProducer(event: DescMessage, service: string): boolean {
  return eventPolicy(event).producers.includes(service);
}

/** Throws when the message is no event. */
export function isConsumer(event: DescMessage, service: string): boolean {
  return eventPolicy(event).consumers.includes(service);
}

function roleProblem(
  event: DescMessage,
  service: string,
  role: "producers" | "consumers",
): PolicyProblem[] {
  const policy = optionOf(event, options.event);
  // Without any policy, that is what is told.
  if (policy === undefined || policy[role].includes(service)) return [];
  const does = role === "producers" ? "publishes" : "consumes";
  const problem = `${service} ${does} it and is none of its ${role}: add it there`;
  return [{ at: event, problem }];
}

/** The service, its methods, and every field their messages hold. */
export function wholeServiceProblems(service: DescService): readonly PolicyProblem[] {
  const { methods } = service;
  const messages = [...new Set(methods.flatMap(({ input, output }) => [input, output]))];
  const reached = messages.flatMap((message) =>
    reachableFields(message).map((one) => ({ ...one, message })),
  );
  const fields = [...new Set(reached.map(({ field }) => field))];
  return [
    ...serviceProblems(service),
    ...methods.flatMap(methodProblems),
    ...methods.flatMap(maskProblems),
    ...fields.flatMap(fieldProblems),
    ...classProblems(service, reached),
    ...[...new Set(methods.map(({ input }) => input))].flatMap(immutableRequestProblems),
  ];
}

type ReachedFrom = Reached & { readonly message: DescMessage };

/** A service holds no data of a closer class than it says. */
function classProblems(service: DescService, reached: readonly ReachedFrom[]): PolicyProblem[] {
  const bound = optionOf(service, options.service)?.dataClass;
  if (bound === undefined || bound === options.DataClass.UNSPECIFIED) return [];
  return reached
    .filter(({ rises, dataClass }) => rises && dataClass > bound)
    .map(({ message, path, dataClass }) => ({
      at: service,
      problem:
        `says it holds ${className(bound)} data, and ${message.name}.${path} is ` +
        `${className(dataClass)}: raise data_class of the service, or leave the field out`,
    }));
}

function immutableRequestProblems(request: DescMessage): PolicyProblem[] {
  return request.fields
    .filter((field) => fieldPolicy(field).immutable)
    .map((at) => ({
      at,
      problem: "is immutable in a request: say it in the resource that the request changes",
    }));
}

/** The event, its stream, and every field it holds. */
export function wholeEventProblems(event: DescMessage): readonly PolicyProblem[] {
  const reached = reachableFields(event);
  const secrets = reached.filter(({ field }) => fieldPolicy(field).secret);
  const immutable = event.fields.filter((field) => fieldPolicy(field).immutable);
  return [
    ...eventProblems(event),
    ...streamProblems(event.file),
    ...[...new Set(reached.map(({ field }) => field))].flatMap(fieldProblems),
    ...secrets.map(({ path }) => ({
      at: event,
      problem: `carries the secret ${path}, and an event is kept and copied: leave the field out`,
    })),
    ...immutable.map((at) => ({
      at,
      problem: "is immutable, and an event never changes as a whole: drop immutable",
    })),
  ];
}

/** A stream belongs to one package. */
export function sharedStreamProblems(files: Iterable<DescFile>): PolicyProblem[] {
  const streams = [...new Set(files)].flatMap(findStreams);
  const declared = new Map(streams.map(({ file, policy }) => [file, policy.name]));
  const owners = new Map<string, string>();
  return [...declared].flatMap(([at, name]) => {
    const owner = owners.get(name) ?? at.proto.package;
    owners.set(name, owner);
    if (owner === at.proto.package) return [];
    return [{ at, problem: `declares stream ${name}, which ${owner} declares: rename one` }];
  });
}
