// A consumer reads its whole stream, so that nothing on it goes by unseen. What the policies give to
// others only it passes over, without a row. A newer release of the same consumer may see that
// otherwise, so it says in the database what it handles, and nobody passes over that.

import type { DescMessage } from "@bufbuild/protobuf";
import type { Pool } from "../database/pool.ts";
import type { Sql } from "../database/sql.ts";
import { isConsumer } from "../policy/check.ts";
import { isEvent } from "../policy/event-policy.ts";
import { eventPolicy } from "../policy/policy.ts";
import type { Delivery } from "./subscription.ts";

/** Full names of events, with the version of the schema that this release knows. */
export type EventVersions = ReadonlyMap<string, number>;

/** Events of the stream that the policies, as this release knows them, do not give to the service. */
export function eventsOfOthers(
  service: string,
  { stream, events }: { readonly stream: string; readonly events: readonly DescMessage[] },
): EventVersions {
  const handled = new Set(events);
  const others = eventsBeside(events)
    .filter((event) => !handled.has(event) && !isConsumer(event, service))
    .filter((event) => eventPolicy(event).stream === stream);
  return versionsOf(others);
}

/** These events, and all others in their files and in what those import from the same package. */
export function eventsBeside(events: readonly DescMessage[]): readonly DescMessage[] {
  const files = new Set(
    events.flatMap(({ file }) => [file, ...file.dependencies.filter(isBeside(file))]),
  );
  return [...files].flatMap(({ messages }) => messages.filter(isEvent));
}

function isBeside({ proto }: DescMessage["file"]) {
  return (other: DescMessage["file"]) => other.proto.package === proto.package;
}

export function versionsOf(events: readonly DescMessage[]): EventVersions {
  return new Map(events.map((event) => [event.typeName, eventPolicy(event).version]));
}

/** Before it reads: no release beside this one passes over these from now on. */
export async function claimEvents(
  sql: Sql,
  consumer: string,
  handled: EventVersions,
): Promise<void> {
  await sql`
    insert into consumer_event (consumer, event, version)
    select ${consumer}, event, version
    from unnest(${[...handled.keys()]}::text[], ${[...handled.values()]}::int[])
      as handled (event, version)
    order by event
    on conflict (consumer, event) do update set version = excluded.version
    where consumer_event.version < excluded.version
  `;
}

/** Of these events, those that no release handles, unless a later policy took one away from it. */
export async function unclaimed(
  sql: Sql,
  consumer: string,
  events: EventVersions,
): Promise<EventVersions> {
  if (events.size === 0) return events;
  const claims = await sql<{ event: string; version: number }[]>`
    select event, version from consumer_event
    where consumer = ${consumer} and event = any (${[...events.keys()]}::text[])
  `;
  const claimed = new Map(claims.map(({ event, version }) => [event, version]));
  return new Map([...events].filter(([event, version]) => version > (claimed.get(event) ?? 0)));
}

export type Parted = {
  readonly mine: readonly Delivery[];
  readonly passedOver: readonly Delivery[];
};

/** One look at the database a batch that holds events of others, none for any other. */
export async function passOver(
  pool: Pool,
  consumer: string,
  others: EventVersions,
  batch: readonly Delivery[],
): Promise<Parted> {
  const met = new Map<string, number>();
  for (const { raw } of batch) {
    const version = others.get(raw.subject);
    if (version !== undefined) met.set(raw.subject, version);
  }
  if (met.size === 0) return { mine: batch, passedOver: [] };
  const free = await unclaimed(pool, consumer, met);
  return {
    mine: batch.filter(({ raw }) => !free.has(raw.subject)),
    passedOver: batch.filter(({ raw }) => free.has(raw.subject)),
  };
}
