// The stream that keeps a package's events is declared by one file of the package. Who knows an
// event finds its stream in the event's own file or in one that the file imports.

import type { DescFile, DescMessage } from "@bufbuild/protobuf";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { ownProblems } from "./own-rules.ts";
import { optionOf, type PolicyProblem, remembered, throwProblems } from "./problem.ts";

export type { StreamPolicy } from "#gen/bursar/mesh/v1/policy_pb.ts";

export type DeclaredStream = {
  readonly policy: options.StreamPolicy;
  readonly file: DescFile;
};

/** The stream of an event, or of a file's package. Throws when there is none or two. */
export const streamPolicy = remembered((desc: DescFile | DescMessage): options.StreamPolicy => {
  const file = desc.kind === "file" ? desc : desc.file;
  const found = findStreams(file);
  const [stream] = found;
  const problems = found.length === 1 ? streamProblems(file) : [countProblem(desc, found)];
  throwProblems(file.proto.package, problems);
  if (stream === undefined) throw new Error(`${file.proto.package} declares no stream`);
  return stream.policy;
});

/** Every declaration for the file's package that can be reached from it. */
export function findStreams(file: DescFile): readonly DeclaredStream[] {
  const found: DeclaredStream[] = [];
  const seen = new Set<string>();
  const look = (one: DescFile) => {
    if (seen.has(one.name)) return;
    seen.add(one.name);
    const policy = optionOf(one, options.stream);
    if (policy && one.proto.package === file.proto.package) found.push({ policy, file: one });
    one.dependencies.forEach(look);
  };
  look(file);
  return found;
}

/** What is wrong with the declarations themselves. */
export function streamProblems(file: DescFile): readonly PolicyProblem[] {
  return findStreams(file).flatMap(({ policy, file: at }) =>
    ownProblems(at, options.StreamPolicySchema, policy),
  );
}

export function countProblem(
  at: DescFile | DescMessage,
  found: readonly DeclaredStream[],
): PolicyProblem {
  const file = at.kind === "file" ? at : at.file;
  if (found.length === 0) {
    return {
      at,
      problem:
        `no file of ${file.proto.package} that it can see declares a stream: add ` +
        `option (bursar.mesh.v1.stream) to ${file.name}.proto, or import the file that has it`,
    };
  }
  const files = found.map((one) => `${one.file.name}.proto`).join(" and ");
  return { at, problem: `${file.proto.package} declares its stream in ${files}: keep one` };
}
