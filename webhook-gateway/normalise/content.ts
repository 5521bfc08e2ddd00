// What a webhook says, as bytes that stay the same when its provider sends it again: later, signed
// anew, to another endpoint of the account, or with a counter of attempts in the body.

import { toBinary } from "@bufbuild/protobuf";
import { type Outcome, schemaOf } from "./outcome.ts";

export function contentOf(outcome: Outcome): Uint8Array {
  if (outcome.kind === "kept") return Buffer.from("kept");
  // What was wrong stands for what it says: a body that is wrong in another way is another one.
  if (outcome.kind === "dead") return Buffer.from(`dead ${outcome.reason} ${outcome.detail}`);
  const lines = outcome.events.map((event) => {
    const { provenance: _, ...said } = event;
    const bytes = toBinary(schemaOf(event), said);
    return `${event.$typeName} ${Buffer.from(bytes).toString("base64")}`;
  });
  return Buffer.from(lines.join("\n"));
}
