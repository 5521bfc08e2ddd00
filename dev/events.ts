// Every event and every service of the contract, found in gen/: whoever prepares a broker or a house
// for all of them needs no list.

import { globSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type DescFile, type DescMessage, type DescService, hasOption } from "@bufbuild/protobuf";
import { event } from "#gen/bursar/mesh/v1/policy_pb.ts";

const gen = resolve(import.meta.dirname, "../gen");

/** In the order of their names. */
export async function allEvents(): Promise<readonly DescMessage[]> {
  const files = await allFiles();
  return files.flatMap(({ messages }) => messages.filter((message) => hasOption(message, event)));
}

export async function allServices(): Promise<readonly DescService[]> {
  return (await allFiles()).flatMap(({ services }) => services);
}

async function allFiles(): Promise<readonly DescFile[]> {
  const paths = globSync("bursar/**/*_pb.ts", { cwd: gen }).sort();
  const modules = await Promise.all(
    paths.map((path) => import(pathToFileURL(join(gen, path)).href)),
  );
  return modules.flatMap((module) => Object.values(module).filter(isFile));
}

function isFile(value: unknown): value is DescFile {
  return (value as DescFile | undefined)?.kind === "file";
}
