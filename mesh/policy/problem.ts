// What is wrong with a policy, and where. The start of a service throws it, `make check` lists it.

import {
  type DescField,
  type DescFile,
  type DescMessage,
  type DescMethod,
  type DescService,
  getOption,
  hasOption,
  type Message,
} from "@bufbuild/protobuf";
import type { GenExtension } from "@bufbuild/protobuf/codegenv2";

/** What a policy may stand on, or be about. */
export type Declared = DescFile | DescService | DescMethod | DescMessage | DescField;

export type PolicyProblem = {
  readonly at: Declared;
  /** What is wrong and what to do, without the name of the thing. */
  readonly problem: string;
};

/** As it stands in the schema: `bursar.cms.v1.OrderService.CreateOrder`. */
export function nameOf(desc: Declared): string {
  if (desc.kind === "file") return `${desc.name}.proto`;
  if (desc.kind === "rpc" || desc.kind === "field") return `${desc.parent.typeName}.${desc.name}`;
  return desc.typeName;
}

export function fileOf(desc: Declared): DescFile {
  if (desc.kind === "file") return desc;
  return desc.kind === "rpc" || desc.kind === "field" ? desc.parent.file : desc.file;
}

export function describeProblem({ at, problem }: PolicyProblem): string {
  return `${nameOf(at)}: ${problem}`;
}

/** One error for all of them, so that one start shows all that must be mended. */
export function throwProblems(subject: string, problems: readonly PolicyProblem[]): void {
  if (problems.length === 0) return;
  const list = problems.map(describeProblem).join("\n  ");
  throw new Error(`the schema of ${subject} breaks the rules of its policies:\n  ${list}`);
}

/** The option, or undefined where none is declared. */
export function optionOf<M extends Message>(
  desc: Declared,
  option: GenExtension<Message, M>,
): M | undefined {
  const known = options.get(option) ?? new WeakMap<Declared, Message | null>();
  options.set(option, known);
  let value = known.get(desc);
  if (value === undefined) {
    value = hasOption(desc as never, option) ? getOption(desc as never, option) : null;
    known.set(desc, value);
  }
  return (value as M | null) ?? undefined;
}

/** An option is decoded anew whenever the library is asked, and calls ask for theirs. */
const options = new WeakMap<object, WeakMap<Declared, Message | null>>();

export function missing(at: Declared, option: string): PolicyProblem {
  return { at, problem: `has no policy: add option (bursar.mesh.v1.${option}) to the schema` };
}

/** Reads once a descriptor. */
export function remembered<D extends object, P>(read: (desc: D) => P): (desc: D) => P {
  const known = new WeakMap<D, P>();
  return (desc) => {
    let value = known.get(desc);
    if (value === undefined) {
      value = read(desc);
      known.set(desc, value);
    }
    return value;
  };
}
