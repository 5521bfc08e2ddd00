// What of a refusal may be logged: the reason in its detail, and the fields at fault. Its text is
// for the caller alone, because it may quote what the caller sent.

import type { DescMessage } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";

export type RefusalFacts = { readonly reason?: string; readonly fields?: readonly string[] };

type Values = Readonly<Record<string, unknown>>;

/** Nothing for an error that carries no reason of ours. */
export function refusalFacts(error: ConnectError): RefusalFacts {
  for (const detail of error.details) {
    if (!("desc" in detail)) continue;
    const values = detail.value as Values;
    const reason = reasonOf(detail.desc, values);
    if (reason === undefined) continue;
    const fields = fieldsOf(values["problems"]);
    return fields.length > 0 ? { reason, fields } : { reason };
  }
  return {};
}

/** Details of refusals have one enum: `REQUEST_REFUSAL_INVALID_FIELD`. */
function reasonOf({ fields }: DescMessage, values: Values): string | undefined {
  const field = fields.find(({ fieldKind }) => fieldKind === "enum");
  return field?.enum?.value[values[field.localName] as number]?.name;
}

const fieldsMax = 5;
/** A path in proto names; a caller may have chosen anything else. */
const path = /^[a-z][a-z0-9_.[\]]{0,99}$/;

function fieldsOf(problems: unknown): string[] {
  if (!Array.isArray(problems)) return [];
  return problems.slice(0, fieldsMax).map(({ field }: Values) => {
    return typeof field === "string" && path.test(field) ? field : "[other]";
  });
}
