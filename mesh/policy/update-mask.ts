// A request that changes a thing names the fields that change in its update mask. What the mask
// names must be there and may change: a service never sees a mask that does otherwise.

import type { DescField, DescMessage, DescMethod, Message } from "@bufbuild/protobuf";
import { fieldPolicy } from "./field-policy.ts";
import { type PolicyProblem, remembered } from "./problem.ts";
import { firstOf, type Problem } from "./validation.ts";

export type MaskRefusal = {
  readonly reason: "unknown" | "immutable";
  readonly problems: readonly Problem[];
};

const maskType = "google.protobuf.FieldMask";

/** What is wrong with the request as a carrier of a mask: which thing changes must be plain. */
export function maskProblems(method: DescMethod): readonly PolicyProblem[] {
  const { input } = method;
  if (maskField(input) === undefined || resourceOf(method) !== undefined) return [];
  const problem =
    `${input.name} has an update_mask, and which of its fields it is about is not plain: hold ` +
    "one message beside it, or name the field as the method does (UpdateCourse: course)";
  return [{ at: method, problem }];
}

const pathsMax = 1_000;

/** Undefined: the request has no mask, or one that may stand. */
export function refuseMask(method: DescMethod, request: Message): MaskRefusal | undefined {
  const plan = planOf(method);
  if (plan === "none") return undefined;
  const mask = (request as unknown as Record<string, unknown>)[plan.mask.localName];
  const paths = (mask as { paths?: readonly string[] } | undefined)?.paths ?? [];
  if (paths.length > pathsMax) {
    const problem = `names ${paths.length} fields, and no more than ${pathsMax} are looked at`;
    return { reason: "unknown", problems: [{ field: `${plan.mask.name}.paths`, problem }] };
  }
  const found = paths.flatMap((path, n) => {
    const verdict = judgePath(plan.resource, path);
    return verdict ? [{ ...verdict, field: `${plan.mask.name}.paths[${n}]` }] : [];
  });
  const reason = found.some((one) => one.reason === "unknown") ? "unknown" : "immutable";
  if (found.length === 0) return undefined;
  return { reason, problems: firstOf(found, ({ field, problem }) => ({ field, problem })) };
}

type Plan = { readonly mask: DescField; readonly resource: DescMessage };

const planOf = remembered((method: DescMethod): Plan | "none" => {
  const mask = maskField(method.input);
  const resource = mask && resourceOf(method);
  return mask && resource ? { mask, resource } : "none";
});

function maskField({ fields }: DescMessage): DescField | undefined {
  return fields.find((field) => {
    const isMask = field.fieldKind === "message" && field.message.typeName === maskType;
    return isMask && field.name === "update_mask" && field.oneof === undefined;
  });
}

function resourceOf({ name, input }: DescMethod): DescMessage | undefined {
  const held = input.fields.filter(({ fieldKind, message, oneof }) => {
    return fieldKind === "message" && !oneof && !message?.typeName.startsWith("google.protobuf.");
  });
  const noun = name.replace(/^[A-Z][a-z]*/, "").replace(/(?!^)[A-Z]/g, "_$&");
  const named = held.find((field) => field.name === noun.toLowerCase());
  return (named ?? (held.length === 1 ? held[0] : undefined))?.message;
}

type Verdict = { readonly reason: MaskRefusal["reason"]; readonly problem: string };

function judgePath(resource: DescMessage, path: string): Verdict | undefined {
  let inside: DescMessage | undefined = resource;
  /** What the path names so far, where it is a message that changes as a whole. */
  let whole: DescMessage | undefined = resource;
  let after: DescField | undefined;
  for (const segment of path === "*" ? [] : path.split(".")) {
    if (after?.fieldKind === "map") {
      // What follows a map's name is a key, whatever it is.
      inside = after.message;
      after = undefined;
      whole = undefined;
      continue;
    }
    after = inside?.fields.find(({ name }) => name === segment);
    if (after === undefined) {
      const what = inside ? `no field of ${inside.name}` : "inside what has no fields of its own";
      return { reason: "unknown", problem: `${quoted(path)}: ${quoted(segment)} is ${what}` };
    }
    if (fieldPolicy(after).immutable) {
      return { reason: "immutable", problem: `${quoted(path)}: ${segment} never changes` };
    }
    inside = after.fieldKind === "message" ? after.message : undefined;
    whole = inside;
  }
  const covered = whole && firstImmutable(whole);
  if (covered === undefined) return undefined;
  const problem = `${quoted(path)}: covers ${covered}, which never changes: name what changes`;
  return { reason: "immutable", problem };
}

/** Name of a field that never changes, in the message or in one that belongs to it alone. */
function firstImmutable(message: DescMessage): string | undefined {
  const seen = new Set<DescMessage>();
  const look = (inside: DescMessage, prefix: string): string | undefined => {
    if (seen.has(inside)) return undefined;
    seen.add(inside);
    for (const field of inside.fields) {
      const name = prefix + field.name;
      if (fieldPolicy(field).immutable) return name;
      const deeper = field.fieldKind === "message" ? look(field.message, `${name}.`) : undefined;
      if (deeper !== undefined) return deeper;
    }
    return undefined;
  };
  return look(message, "");
}

/** The caller's own words, cut: they come back in the error. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}
