// Publishing from a service: an event goes into the outbox in the SQL transaction that caused it.

import assert from "node:assert/strict";
import type { DescMessage } from "@bufbuild/protobuf";
import type { Tx } from "../database/pool.ts";
import { appendEvent } from "../events/outbox.ts";
import { type Fields, initOf } from "./fields.ts";

/** In the SQL transaction that is given. */
export type EmitIn = <D extends DescMessage>(tx: Tx, event: D, fields: Fields<D>) => Promise<void>;

/** In the SQL transaction of the event that is being handled. */
export type Emit = <D extends DescMessage>(event: D, fields: Fields<D>) => Promise<void>;

export function createEmit(source: string, produces: readonly DescMessage[]): EmitIn {
  return async (tx, event, fields) => {
    assert(
      produces.includes(event),
      `${source} emits ${event.typeName}, which it does not declare: add it to produces`,
    );
    await appendEvent(tx, event, initOf(event, fields), { source, time: new Date() });
  };
}
