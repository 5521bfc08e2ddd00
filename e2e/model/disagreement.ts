// Where the service and the model part: both values as text, so that a difference can be read.

import {
  create,
  type DescMessage,
  equals,
  type MessageShape,
  toJsonString,
} from "@bufbuild/protobuf";

export class Disagreement extends Error {
  override name = "Disagreement";
}

export function disagree(about: string, model: string, service: string): Disagreement {
  return new Disagreement(`${about}\nmodel:   ${model}\nservice: ${service}`);
}

/** Undefined: they are equal. */
export function difference<D extends DescMessage>(
  schema: D,
  model: MessageShape<D> | undefined,
  service: MessageShape<D> | undefined,
): { readonly model: string; readonly service: string } | undefined {
  if (model && service && equals(schema, model, service)) return undefined;
  if (!model && !service) return undefined;
  return { model: textOf(schema, model), service: textOf(schema, service) };
}

export function textOf<D extends DescMessage>(schema: D, message: MessageShape<D> | undefined) {
  // Copied: a message that lacks what its schema has would not be written.
  return message ? toJsonString(schema, create(schema, message as never)) : "nothing";
}

export function textOfValue(value: unknown): string {
  return JSON.stringify(value, (_, one) => (typeof one === "bigint" ? `${one}n` : one));
}
