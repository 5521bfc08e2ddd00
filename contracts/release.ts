// The images that releases left, named for their versions: what today's schema is compared with.

import { globSync } from "node:fs";
import { join } from "node:path";

export type Release = { readonly path: string; readonly version: string };

/** Throws, naming the folder and the remedy, when there is none. */
export function lastRelease(folder: string): Release {
  const versions = globSync("*.binpb", { cwd: folder })
    .map((name) => ({ path: join(folder, name), version: name.replace(/\.binpb$/, "") }))
    .sort((a, b) => a.version.localeCompare(b.version, "en", { numeric: true }));
  const last = versions.at(-1);
  if (last !== undefined) return last;
  throw new Error(
    `${folder} holds no image of a release, such as 0.1.0.binpb: take it from git again; ` +
      "docs/contracts.md says how a release makes one",
  );
}
