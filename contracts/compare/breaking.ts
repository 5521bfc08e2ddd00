// What `buf breaking` finds against the image of a release: names, numbers and types, which are in
// the bytes. Each is a finding like any other: it has a name, somebody whom it hurts, and may be
// acknowledged.

import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import type { DescMessage, DescService, FileRegistry } from "@bufbuild/protobuf";
import type { Finding } from "../finding.ts";
import { directionsIn } from "./directions.ts";

type Reported = {
  readonly path?: string;
  readonly start_line: number;
  readonly type: string;
  readonly message: string;
};

/** `folder` is a module of buf. Throws what buf said when it could not compare. */
export function breakingFindings(folder: string, image: string, before: FileRegistry): Finding[] {
  const args = ["breaking", folder, "--against", resolve(image), "--error-format", "json"];
  const { status, stdout, stderr, error } = spawnSync("node_modules/.bin/buf", args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  // 100: there are findings.
  if (status !== 0 && status !== 100) {
    const said = error ? String(error) : `${stderr}${stdout}`.trim();
    throw new Error(`${folder} cannot be compared with ${image}: ${said}`, { cause: error });
  }
  const reported = stdout.split("\n").filter((line) => line !== "");
  const whom = affectedIn(before);
  return reported
    .map((line) => JSON.parse(line) as Reported)
    .flatMap((one) => {
      // The image holds what the protos import too; contracts of others are not ours to keep.
      if (one.path === undefined && !one.message.includes('"bursar/')) return [];
      return [findingOf(one, whom)];
    });
}

function findingOf(reported: Reported, whom: (text: string, file: string) => string[]): Finding {
  const { path = "", start_line: line, type, message } = reported;
  const file = path.replace(/^.*proto\/(?=bursar\/)/, "");
  const isTold = /events\.proto$/.test(file);
  return {
    effect: isTold ? "breaks-consumers" : "breaks-callers",
    name: file || "proto",
    change: `${type}: ${message}`,
    why: "code and bytes of the release mean something else now, or do not compile",
    affected: whom(message, file),
    remedy: "take the change back, or add a field, message or RPC beside what there was",
    ...(path && { place: { file: path, line } }),
  };
}

/** The methods and events that hold what the text names; whole files bring all of theirs. */
function affectedIn(before: FileRegistry): (text: string, file: string) => string[] {
  const directions = directionsIn(before);
  const reach = (message: DescMessage) => {
    const { sent, answered, told } = directions(message);
    return [...sent, ...answered, ...told];
  };
  const methodsOf = ({ methods, typeName }: DescService, text: string) => {
    const named = methods.filter(({ name }) => text.includes(`"${name}"`));
    return (named.length > 0 ? named : methods).map(({ name }) => `${typeName}.${name}`);
  };
  return (text, file) => {
    const [, named = file] = /file "(bursar\/[^"]+)"/.exec(text) ?? [];
    const desc = before.getFile(named);
    const isNamed = ({ name }: { readonly name: string }) =>
      named !== file || new RegExp(`"([\\w.]+\\.)?${name}"`).test(text);
    const messages = desc?.messages.filter(isNamed).flatMap(reach) ?? [];
    const methods = desc?.services.filter(isNamed).flatMap((it) => methodsOf(it, text)) ?? [];
    return [...new Set([...messages, ...methods])].sort();
  };
}
