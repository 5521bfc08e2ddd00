// The payments as another release knows them: the same files with something changed, for tests of
// what becomes of events that a release does not know, or knows otherwise.

import {
  clone,
  create,
  createFileRegistry,
  type DescFile,
  type DescMessage,
  getExtension,
  setExtension,
} from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MessageOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { type EventPolicy, event } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { file_bursar_payments_v1_events } from "#gen/bursar/payments/v1/events_pb.ts";

export type OtherRelease = {
  /** Any message of the package, by its name in it. */
  message(name: string): DescMessage;
};

export type Change = {
  /** By the path of the file, such as `bursar/payments/v1/events.proto`. */
  file(name: string): FileDescriptorProto;
  /** By its name in the package; made as a copy of another one where that is named. */
  message(name: string, copyOf?: string): DescriptorProto;
  policy(name: string, over: Partial<EventPolicy>): void;
};

const events = "bursar/payments/v1/events.proto";

export function otherRelease(change: (change: Change) => void): OtherRelease {
  const files = new Map<string, FileDescriptorProto>();
  copyFiles(file_bursar_payments_v1_events, files);
  const file = (name: string) => files.get(name)!;
  const message = (name: string, copyOf?: string) => {
    const { messageType } = file(events);
    if (copyOf !== undefined) {
      const copied = clone(
        DescriptorProtoSchema,
        messageType.find((found) => found.name === copyOf)!,
      );
      copied.name = name;
      messageType.push(copied);
    }
    return messageType.find((found) => found.name === name)!;
  };
  change({
    file,
    message,
    policy(name, over) {
      const proto = message(name);
      proto.options ??= create(MessageOptionsSchema);
      setExtension(proto.options, event, { ...getExtension(proto.options, event), ...over });
    },
  });
  const set = create(FileDescriptorSetSchema, { file: [...files.values()] });
  const registry = createFileRegistry(set);
  return { message: (name) => registry.getMessage(`bursar.payments.v1.${name}`)! };
}

/** Dependencies first, as a registry wants them. */
function copyFiles(file: DescFile, files: Map<string, FileDescriptorProto>): void {
  if (files.has(file.proto.name)) return;
  for (const dependency of file.dependencies) copyFiles(dependency, files);
  files.set(file.proto.name, clone(FileDescriptorProtoSchema, file.proto));
}
