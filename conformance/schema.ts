// The schema of the conformance service, compiled from the protos that come with
// the runner. They know nothing of Bursar, so the policies that every service of
// the mesh needs are written into the descriptors here: the mesh reads them as
// if they stood in the file.

import { readFileSync } from "node:fs";
import {
  create,
  createFileRegistry,
  type DescMessage,
  type DescService,
  fromBinary,
  type Message,
  type Registry,
  setExtension,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type FileDescriptorSet,
  FileDescriptorSetSchema,
  MethodOptionsSchema,
  ServiceOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import {
  DataClass,
  MethodPolicySchema,
  method as methodOption,
  RateClass,
  ServicePolicySchema,
  service as serviceOption,
} from "#gen/bursar/mesh/v1/policy_pb.ts";
import type { Packed } from "./messages.ts";
import { serverDeadlineMs } from "./own-deadline.ts";
import { descriptorsFile } from "./runner.ts";

const packageName = "connectrpc.conformance.v1";

/** Who calls the server under test, and who it is: last parts of their identities. */
export const callerName = "conformance-runner";
export const serverName = "conformance-server";
export const scope = "conformance.service.call";

export type Schema = {
  readonly service: DescService;
  /** Knows what stands inside an Any, which JSON must. */
  readonly registry: Registry;
  /** Message by its name in the package. */
  message(name: string): DescMessage;
  read<M>(name: string, bytes: Uint8Array): M;
  write(name: string, value: object): Uint8Array;
  pack(message: unknown): Packed;
  unpack(packed: Packed): Message;
};

export type PolicyChoices = {
  /** Identity that serves the service; empty: any. */
  readonly identity: string;
  /** Zero: the mesh's own limit. */
  readonly requestBytesMax: number;
};

export function openSchema(choices: PolicyChoices): Schema {
  const files = fromBinary(FileDescriptorSetSchema, readFileSync(descriptorsFile));
  writePolicies(files, choices);
  const registry = createFileRegistry(files);
  const service = registry.getService(`${packageName}.ConformanceService`);
  if (!service) throw new Error(`${descriptorsFile} has no ConformanceService`);

  function message(name: string): DescMessage {
    const found = registry.getMessage(`${packageName}.${name}`);
    if (!found) throw new Error(`${packageName} has no message ${name}`);
    return found;
  }

  return {
    service,
    registry,
    message,
    read: <M>(name: string, bytes: Uint8Array) => fromBinary(message(name), bytes) as M,
    write(name, value) {
      const schema = message(name);
      return toBinary(schema, create(schema, { ...value }));
    },
    pack(value) {
      const { $typeName } = value as Message;
      const schema = registry.getMessage($typeName);
      if (!schema) throw new Error(`the schema has no message ${$typeName}`);
      return {
        typeUrl: `type.googleapis.com/${$typeName}`,
        value: toBinary(schema, value as Message),
      };
    },
    unpack({ typeUrl, value }) {
      const name = typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
      const schema = registry.getMessage(name);
      if (!schema) throw new Error(`the schema has no message ${name}`);
      return fromBinary(schema, value);
    },
  };
}

function writePolicies(files: FileDescriptorSet, choices: PolicyChoices): void {
  const services = files.file
    .filter((file) => file.package === packageName)
    .flatMap((file) => file.service);
  for (const service of services) {
    service.options ??= create(ServiceOptionsSchema);
    setExtension(service.options, serviceOption, servicePolicy(choices));
    for (const method of service.method) {
      method.options ??= create(MethodOptionsSchema);
      setExtension(method.options, methodOption, methodPolicy(choices));
    }
  }
}

function servicePolicy({ identity }: PolicyChoices) {
  return create(ServicePolicySchema, {
    identity,
    owner: "platform",
    objective: { availabilityPpm: 999_000, latencyP99Ms: 60_000 },
    dataClass: DataClass.INTERNAL,
  });
}

function methodPolicy({ requestBytesMax }: PolicyChoices) {
  return create(MethodPolicySchema, {
    callers: [callerName],
    scopes: [scope],
    deadlineDefaultMs: serverDeadlineMs,
    deadlineMaxMs: serverDeadlineMs,
    requestBytesMax,
    rateClass: RateClass.INTERACTIVE,
  });
}
