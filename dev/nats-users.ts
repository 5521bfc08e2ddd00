// The users of a broker: every identity that the schema names has one of its own, which may do what
// the schema says, and one of the developer may do everything.

import type { DescMessage } from "@bufbuild/protobuf";
import { identitiesOf, natsPermissions } from "#mesh/identity/nats-permissions.ts";
import type { NatsUser } from "./nats-server.ts";
import type { HouseService } from "./services.ts";

/** Inspects, and declares streams. */
export const operatorUser = "dev";

export function natsUsers(options: {
  readonly events: readonly DescMessage[];
  /** For the names of their durables. */
  readonly services: readonly HouseService[];
  readonly passwordOf: (user: string) => string;
}): readonly NatsUser[] {
  const { events, services, passwordOf } = options;
  // Who is named nowhere has an inbox and nothing else, so that it can at least connect.
  const identities = new Set([...identitiesOf(events), ...services.map(({ name }) => name)]);
  const restricted = [...identities].sort().map((identity): NatsUser => {
    const durable = services.find(({ name }) => name === identity)?.durable;
    const permissions = natsPermissions({ identity, events, durable });
    return { user: identity, password: passwordOf(identity), permissions };
  });
  return [{ user: operatorUser, password: passwordOf(operatorUser) }, ...restricted];
}
