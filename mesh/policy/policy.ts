// Policies stand beside the RPCs and events in the schema, as options. They are
// read from the descriptors at start; one that is missing or breaks its own
// rules stops the process and names the method or event.

import {
  type DescMessage,
  type DescMethod,
  type DescService,
  getOption,
  hasOption,
  type Message,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { validate } from "./validation.ts";

export type { EventPolicy, MethodPolicy, ServicePolicy } from "#gen/bursar/mesh/v1/policy_pb.ts";

/** Throws when the service has no valid policy. */
export const servicePolicy = remembered((service: DescService): options.ServicePolicy => {
  if (!hasOption(service, options.service)) throw missing(service.typeName, "service");
  return checked(
    service.typeName,
    options.ServicePolicySchema,
    getOption(service, options.service),
  );
});

/** Throws when the method has no valid policy. */
export const methodPolicy = remembered((method: DescMethod): options.MethodPolicy => {
  const name = `${method.parent.typeName}.${method.name}`;
  if (!hasOption(method, options.method)) throw missing(name, "method");
  const policy = checked(name, options.MethodPolicySchema, getOption(method, options.method));
  if (policy.idempotencyKeyField) {
    mustBeText(name, method.input, "idempotency_key_field", policy.idempotencyKeyField);
  }
  return policy;
});

/** Throws when the message is not an event or its policy is not valid. */
export const eventPolicy = remembered((event: DescMessage): options.EventPolicy => {
  if (!hasOption(event, options.event)) throw missing(event.typeName, "event");
  const policy = checked(
    event.typeName,
    options.EventPolicySchema,
    getOption(event, options.event),
  );
  mustBeText(event.typeName, event, "key_field", policy.keyField);
  return policy;
});

/** True when sending this request a second time changes nothing. */
export function isRepeatable<D extends DescMessage>(
  method: DescMethod & { readonly input: D },
  request: MessageShape<D>,
): boolean {
  if (method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS) return true;
  if (!hasOption(method, options.method)) return false;
  const name = methodPolicy(method).idempotencyKeyField;
  const field = method.input.fields.find((candidate) => candidate.name === name);
  return field !== undefined && Boolean((request as Record<string, unknown>)[field.localName]);
}

function missing(name: string, option: string): Error {
  return new Error(`${name} has no policy: add option (bursar.mesh.v1.${option}) to the schema`);
}

function checked<M extends Message>(name: string, schema: DescMessage, policy: M): M {
  const problems = validate(schema, policy as never);
  if (problems.length === 0) return policy;
  const list = problems.map(({ field, problem }) => `${field || "policy"}: ${problem}`);
  throw new Error(`the policy of ${name} is not valid: ${list.join("; ")}`);
}

function mustBeText(name: string, message: DescMessage, option: string, fieldName: string): void {
  const field = message.fields.find((candidate) => candidate.name === fieldName);
  if (field?.fieldKind === "scalar" && field.scalar === ScalarType.STRING) return;
  throw new Error(
    `the policy of ${name} is not valid: ${option} names ${fieldName}, ` +
      `which is not a string field of ${message.typeName}`,
  );
}

function remembered<D extends object, P>(read: (desc: D) => P): (desc: D) => P {
  const known = new WeakMap<D, P>();
  return (desc) => {
    const policy = known.get(desc) ?? read(desc);
    known.set(desc, policy);
    return policy;
  };
}
