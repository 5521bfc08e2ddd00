// Services that the schema names and that have their code elsewhere.

import { type Entries, readEntries } from "../entries.ts";

export const outsideFile = "contracts/outside.yaml";

const keys = ["identity", "owner", "reason"] as const;

export type Outside = Entries<(typeof keys)[number]>;

export function readOutside(text: string): Outside {
  return readEntries(text, keys);
}
