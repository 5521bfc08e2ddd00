// Messages out of the fields of others: what one message says is often a part of what the next one
// says, under the same names.

import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";

/** All that a message must have, so that none is forgotten; others may stand between them. */
export type Fields<D extends DescMessage> = Named<Omit<MessageShape<D>, "$typeName" | "$unknown">>;

type Named<F> = { readonly [N in keyof F]: F[N] | undefined };

/** Those that the message has, and nothing else. */
export function initOf<D extends DescMessage>(schema: D, fields: Fields<D>): MessageInitShape<D> {
  const given = fields as Readonly<Record<string, unknown>>;
  const known = schema.members.map(({ localName }) => [localName, given[localName]] as const);
  return Object.fromEntries(known.filter(([, value]) => value !== undefined)) as never;
}
