// The comments of a schema, which are its reference. They are in an image that was built with its
// source; a generated descriptor has none.

import type { DescFile } from "@bufbuild/protobuf";
import { fileOf, type Placed, pathOf } from "../place.ts";

type Commented = Exclude<Placed, DescFile>;

/** The comment before the thing, as one paragraph a blank line. Empty where there is none. */
export function commentOf(desc: Commented): string {
  const wanted = pathOf(desc).join(".");
  const text = commentsOf(fileOf(desc)).get(wanted) ?? "";
  return text
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replace(/\s+/g, " ").trim())
    .filter((paragraph) => paragraph !== "")
    .join("\n\n");
}

const known = new WeakMap<DescFile, ReadonlyMap<string, string>>();

function commentsOf(file: DescFile): ReadonlyMap<string, string> {
  let comments = known.get(file);
  if (comments === undefined) {
    const locations = file.proto.sourceCodeInfo?.location ?? [];
    comments = new Map(
      locations.map(({ path, leadingComments }) => [path.join("."), leadingComments]),
    );
    known.set(file, comments);
  }
  return comments;
}
