// Prefixes of account codes: whole segments, from the first on.

import { refuseField } from "./commands-of.ts";

const pattern = /^[a-z][a-z0-9_-]*(:[A-Za-z0-9][A-Za-z0-9_.-]*)*$/;

/** Empty: all codes. What no code can begin with is a mistake, not an empty answer. */
export function codePrefixOf({ codePrefix }: { readonly codePrefix: string }): string {
  if (codePrefix !== "" && !pattern.test(codePrefix)) {
    refuseField("code_prefix", "must be whole segments of a code, such as assets:stripe");
  }
  return codePrefix;
}
