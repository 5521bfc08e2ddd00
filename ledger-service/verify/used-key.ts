// The key that a fact has used up, as its bytes tell.

import { type DescMessage, fromBinary } from "@bufbuild/protobuf";
import { type JournalRow, ledgerEvents } from "../journal.ts";

const schemas = new Map<string, DescMessage>(ledgerEvents.map((event) => [event.typeName, event]));

/** Empty where it has used none, or cannot be read. */
export function usedKey({ subject, data }: JournalRow): string {
  const schema = schemas.get(subject);
  if (!schema) return "";
  try {
    const event = fromBinary(schema, data) as unknown as Keyed & { transaction?: Keyed };
    return event.transaction?.idempotencyKey ?? event.idempotencyKey ?? "";
  } catch {
    return "";
  }
}

type Keyed = { readonly idempotencyKey?: string };
