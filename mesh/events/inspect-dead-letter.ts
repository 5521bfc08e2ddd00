// What can be read of a dead letter: its message as far as operators may see it, and the rules it
// breaks by the schema that this release knows.

import { type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import { redact } from "../policy/redact.ts";
import { validate } from "../policy/validation.ts";
import { boundDetail } from "./dead-letters.ts";

export type Inspection = {
  readonly known: boolean;
  readonly messageJson: string;
  readonly problems: readonly string[];
};

/** Below what clients take in one reply (4 MiB), beside the bytes themselves. */
const jsonLengthMax = 1024 ** 2;
const problemsMax = 100;

export function inspectDeadLetter(schema: DescMessage | undefined, data: Uint8Array): Inspection {
  if (schema === undefined) return { known: false, messageJson: "", problems: [] };
  let message: Message;
  try {
    message = fromBinary(schema, data);
  } catch (error) {
    const problem = boundDetail(`the bytes are no ${schema.typeName}: ${(error as Error).message}`);
    return { known: true, messageJson: "", problems: [problem] };
  }
  const json = JSON.stringify(redact(schema, message));
  const problems = validate(schema, message as never).slice(0, problemsMax);
  return {
    known: true,
    messageJson: json.length > jsonLengthMax ? `"[${json.length} characters]"` : json,
    problems: problems.map(({ field, problem }) =>
      boundDetail(`${field || "message"}: ${problem}`),
    ),
  };
}
