// What the database can keep: text without NUL and without halves of characters.
// The schema's rules do not say so, hence every request is looked through here.

import type { DescService } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { refuseRequest } from "#mesh/rpc/errors.ts";

type Handler = (request: object, context: HandlerContext) => unknown;

/** The same service, for requests whose text can be stored. */
export function storable<S extends DescService>(handlers: ServiceImpl<S>): ServiceImpl<S> {
  const guarded = Object.entries(handlers as Record<string, Handler>).map(([name, handler]) => {
    const guard: Handler = (request, context) => {
      requireStorable(request);
      return handler(request, context);
    };
    return [name, guard];
  });
  return Object.fromEntries(guarded) as ServiceImpl<S>;
}

function requireStorable(request: object): void {
  const problems = unstorable(request, "").map((field) => {
    return { field, problem: "holds a character that cannot be stored" };
  });
  if (problems.length === 0) return;
  const fields = problems.map(({ field }) => field).join(", ");
  throw refuseRequest(
    RequestRefusal.INVALID_FIELD,
    `${fields}: holds a character that cannot be stored`,
    problems,
  );
}

/** Paths of the fields at fault, in proto names. */
export function unstorable(value: unknown, path: string): string[] {
  if (typeof value === "string") return isStorable(value) ? [] : [path];
  if (Array.isArray(value)) return value.flatMap((item, n) => unstorable(item, `${path}[${n}]`));
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return [];
  // A oneof: the field that is set stands in its place.
  if ("case" in value && "value" in value) return unstorable(value.value, String(value.case));
  return Object.entries(value).flatMap(([name, field]) => {
    const protoName = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return unstorable(field, path === "" ? protoName : `${path}.${protoName}`);
  });
}

function isStorable(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}
