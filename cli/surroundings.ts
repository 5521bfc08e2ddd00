// Where the house is: from the environment, or from the `.bursar/env` that
// `make up` wrote in this folder or one above it. What is set wins.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Misuse } from "./command.ts";

export type Surroundings = {
  /** The variable, or a Misuse that says how to set it. */
  need(variable: string): string;
  find(variable: string): string | undefined;
};

export function readSurroundings(env: NodeJS.ProcessEnv, folder: string): Surroundings {
  const written = readHouseFile(folder);
  const find = (variable: string) => env[variable] || written.get(variable);
  return {
    find,
    need(variable) {
      const value = find(variable);
      if (value) return value;
      throw new Misuse(
        `${variable} is not set, and there is no .bursar/env that says it: ` +
          `run \`make up\`, or set it`,
      );
    },
  };
}

const line = /^export ([A-Z][A-Z0-9_]*)='(.*)'$/;

/** The file is written for a shell: `'\''` is a quote inside quotes. */
function readHouseFile(from: string): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  const path = findUpwards(from);
  if (path === undefined) return variables;
  for (const text of readFileSync(path, "utf8").split("\n")) {
    const [, name, value = ""] = line.exec(text) ?? [];
    if (name !== undefined) variables.set(name, value.replaceAll("'\\''", "'"));
  }
  return variables;
}

function findUpwards(from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, ".bursar", "env");
    if (existsSync(path)) return path;
    if (folder === dirname(folder)) return undefined;
  }
}
