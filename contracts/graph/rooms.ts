// The services whose code is in this repository: a folder with a `main.ts`. What only tests run is
// no part of them.

import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseSource, type Source } from "./source.ts";

export type Room = {
  /** From the root: `ledger-service`, `examples/receipt-service`. */
  readonly folder: string;
  /** By path from the root. */
  readonly sources: ReadonlyMap<string, Source>;
  /** It keeps something in the database. */
  readonly hasTables: boolean;
};

export function readRooms(root: string): Room[] {
  const mains = globSync(["*/main.ts", "examples/*/main.ts"], { cwd: root }).sort();
  return mains.map(dirname).map((folder) => {
    const paths = globSync(`${folder}/**/*.ts`, { cwd: root })
      .filter((path) => !/\.test\.ts$|\/testing\//.test(path))
      .sort();
    const texts = paths.map((path): [string, string] => {
      return [path, readFileSync(join(root, path), "utf8")];
    });
    const hasTables = globSync(`${folder}/migrations/*.sql`, { cwd: root }).length > 0;
    return roomOf(folder, new Map(texts), hasTables);
  });
}

export function roomOf(
  folder: string,
  texts: ReadonlyMap<string, string>,
  hasTables = false,
): Room {
  const sources = [...texts].map(([path, text]): [string, Source] => {
    return [path, parseSource(path, text)];
  });
  return { folder, sources: new Map(sources), hasTables };
}
