// Everything that is wrong with the policies of a whole set of schemas: what a start would refuse,
// service by service, and what only shows when all files are seen together.

import type { DescField, DescFile, DescMessage } from "@bufbuild/protobuf";
import { sharedStreamProblems, wholeEventProblems, wholeServiceProblems } from "./check.ts";
import { isEvent } from "./event-policy.ts";
import { fieldProblems } from "./field-problems.ts";
import { describeProblem, type PolicyProblem } from "./problem.ts";
import { countProblem, findStreams, streamProblems } from "./stream-policy.ts";

/** Each problem once. Files that are imported need not be among them. */
export function schemaProblems(files: readonly DescFile[]): readonly PolicyProblem[] {
  const messages = files.flatMap((file) => file.messages.flatMap(withNested));
  const events = files.flatMap((file) => {
    const isOfEvents = /(^|\/)events$/.test(file.name);
    return file.messages.flatMap((message) => {
      if (isOfEvents || isEvent(message)) return [message];
      return withNested(message).filter(isEvent);
    });
  });
  const fields: DescField[] = messages.flatMap((message) => [...message.fields]);
  return unique([
    ...files.flatMap(({ services }) => services).flatMap(wholeServiceProblems),
    ...events.flatMap(wholeEventProblems),
    ...fields.flatMap(fieldProblems),
    ...files.flatMap(streamProblems),
    ...packageStreamProblems(files),
    ...sharedStreamProblems(files),
  ]);
}

/** Two files of a package need not know each other. */
function packageStreamProblems(files: readonly DescFile[]): PolicyProblem[] {
  const packages = Map.groupBy(files, ({ proto }) => proto.package);
  return [...packages.values()].flatMap((together) => {
    const found = new Map(together.flatMap(findStreams).map((stream) => [stream.file, stream]));
    const [first, ...more] = [...found.values()];
    if (first === undefined || more.length === 0) return [];
    return more.map(({ file }) => countProblem(file, [...found.values()]));
  });
}

function withNested(message: DescMessage): readonly DescMessage[] {
  return [message, ...message.nestedMessages.flatMap(withNested)];
}

function unique(problems: readonly PolicyProblem[]): PolicyProblem[] {
  return [...new Map(problems.map((problem) => [describeProblem(problem), problem])).values()];
}
