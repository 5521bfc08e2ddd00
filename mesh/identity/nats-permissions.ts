// What a service may do on the broker, from the schema alone: publish the events that name it as a
// producer, and read, through durables of its own, the streams of the events that name it as a
// consumer. Everything else is denied, streams themselves included: who may change a stream can
// have it copy other streams, or publish under another's name (measured on 2.15.1).

import type { DescMessage } from "@bufbuild/protobuf";
import { eventPolicy } from "../policy/policy.ts";

export type NatsPermissions = {
  readonly publish: { readonly allow: readonly string[]; readonly deny?: readonly string[] };
  readonly subscribe: { readonly allow: readonly string[] };
};

export type NatsPermissionOptions = {
  /** Last part of the service's identity; its user on the broker has the same name. */
  readonly identity: string;
  /** All events of the contract: those that do not name the identity give it nothing. */
  readonly events: readonly DescMessage[];
  /** First part of the names of its durable consumers; the identity when left out. */
  readonly durable?: string | undefined;
};

export function natsPermissions(options: NatsPermissionOptions): NatsPermissions {
  const { identity, events, durable = identity } = options;
  const produced = events.filter((event) => eventPolicy(event).producers.includes(identity));
  const consumed = events.filter((event) => eventPolicy(event).consumers.includes(identity));
  const streams = streamsOf([...produced, ...consumed]);
  const subjects = [
    ...produced.map(({ typeName }) => typeName),
    ...streams.map((stream) => `$JS.API.STREAM.INFO.${stream}`),
    ...streamsOf(consumed).flatMap((stream) => reading(stream, `${durable}-${stream}`)),
  ];
  return {
    // To the broker a list of nothing means everything: then it must be said the other way.
    publish: subjects.length > 0 ? { allow: subjects.sort() } : { allow: [], deny: [">"] },
    // Answers come to an inbox of its own, so that no service reads what another was told.
    subscribe: { allow: [`${inboxPrefixOf(identity)}.>`] },
  };
}

/** Where the broker answers a service: set by whoever connects, allowed to nobody else. */
export function inboxPrefixOf(identity: string): string {
  return `_INBOX.${identity}`;
}

/** Every identity that the events name, in the order of the alphabet. */
export function identitiesOf(events: readonly DescMessage[]): readonly string[] {
  const named = events.flatMap((event) => {
    const { producers, consumers } = eventPolicy(event);
    return [...producers, ...consumers];
  });
  return [...new Set(named)].sort();
}

function streamsOf(events: readonly DescMessage[]): readonly string[] {
  return [...new Set(events.map((event) => eventPolicy(event).stream))];
}

/** The durable is pulled from, so that the broker asks for no flow control. */
function reading(stream: string, durable: string): readonly string[] {
  const consumer = `${stream}.${durable}`;
  return [
    `$JS.API.CONSUMER.INFO.${consumer}`,
    // A client makes a durable in one of three ways, after how many subjects it filters.
    `$JS.API.CONSUMER.CREATE.${consumer}`,
    `$JS.API.CONSUMER.CREATE.${consumer}.>`,
    `$JS.API.CONSUMER.DURABLE.CREATE.${consumer}`,
    `$JS.API.CONSUMER.DELETE.${consumer}`,
    `$JS.API.CONSUMER.MSG.NEXT.${consumer}`,
    `$JS.ACK.${consumer}.>`,
    // The same with the domain and account before it, as newer servers may write it.
    `$JS.ACK.*.*.${consumer}.>`,
    // One message by its sequence, as an operator asks for it.
    `$JS.API.STREAM.MSG.GET.${stream}`,
  ];
}
