// What a webhook says, as bytes that stay the same when its provider sends it again: later, signed
// anew, to another endpoint of the account, or with a counter of attempts in the body.

import { toBinary } from "@bufbuild/protobuf";
import { type Outcome, schemaOf } from "./outcome.ts";

export function contentOf(outcome: Outcome): Uint8Array {
  if (outcome.kind === "unconfirmed" && outcome.bodySha256) {
    return Buffer.from(`unconfirmed ${Buffer.from(outcome.bodySha256).toString("hex")}`);
  }
  // A webhook that only points at something says the same however often it comes.
  if (outcome.kind !== "events" && outcome.kind !== "dead") return Buffer.from(outcome.kind);
  // What was wrong stands for what it says: a body that is wrong in another way is another one.
  if (outcome.kind === "dead") return Buffer.from(`dead ${outcome.reason} ${outcome.detail}`);
  const lines = outcome.events.map((event) => {
    const { provenance, ...said } = event;
    // When it came, which stands for when it happened where nothing signed says so, is not content.
    const { occurredTime } = event;
    const { seconds, nanos } = provenance?.receivedTime ?? {};
    const own = occurredTime?.seconds === seconds && occurredTime?.nanos === nanos;
    const content = own ? { ...said, occurredTime: undefined } : said;
    const bytes = toBinary(schemaOf(event), content);
    return `${event.$typeName} ${Buffer.from(bytes).toString("base64")}`;
  });
  return Buffer.from(lines.join("\n"));
}
