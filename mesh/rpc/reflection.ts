// grpc.reflection.v1: lets tools such as `buf curl` and grpcurl call a service
// without its schema. It answers from the descriptors inside the generated code.

import {
  create,
  type DescFile,
  type DescService,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import {
  type ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionResponseSchema,
} from "#gen/grpc/reflection/v1/reflection_pb.ts";
import { untilRest } from "./until-rest.ts";

type Answer = NonNullable<
  MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]
>;

export function reflectionService(
  services: () => readonly DescService[],
  /** Aborted when the server begins to stop: tools hold their stream open as long as they run. */
  stopping: AbortSignal,
): ServiceImpl<typeof ServerReflection> {
  let index: Index | undefined;
  return {
    async *serverReflectionInfo(requests) {
      index ??= createIndex(services());
      for await (const request of untilRest(requests, stopping)) {
        yield create(ServerReflectionResponseSchema, {
          validHost: request.host,
          originalRequest: request,
          messageResponse: answer(index, request.messageRequest),
        });
      }
    },
  };
}

function answer(index: Index, request: ServerReflectionRequest["messageRequest"]): Answer {
  switch (request.case) {
    case "listServices":
      return {
        case: "listServicesResponse",
        value: { service: index.services.map((name) => ({ name })) },
      };
    case "fileByFilename":
      return files(index.files.get(request.value), request.value);
    case "fileContainingSymbol":
      return files(index.symbols.get(request.value), request.value);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = request.value;
      const file = index.extensions.get(containingType)?.get(extensionNumber);
      return files(file, `extension ${extensionNumber} of ${containingType}`);
    }
    case "allExtensionNumbersOfType": {
      if (!index.symbols.has(request.value)) return notFound(request.value);
      const numbers = [...(index.extensions.get(request.value)?.keys() ?? [])];
      return {
        case: "allExtensionNumbersResponse",
        value: { baseTypeName: request.value, extensionNumber: numbers },
      };
    }
    default:
      return {
        case: "errorResponse",
        value: { errorCode: Code.InvalidArgument, errorMessage: "the request asks for nothing" },
      };
  }
}

/** The file, and everything it needs to be understood. */
function files(file: DescFile | undefined, name: string): Answer {
  if (file === undefined) return notFound(name);
  const fileDescriptorProto = [...withDependencies(file)].map((needed) =>
    toBinary(FileDescriptorProtoSchema, needed.proto),
  );
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function notFound(name: string): Answer {
  return {
    case: "errorResponse",
    value: { errorCode: Code.NotFound, errorMessage: `not found: ${name}` },
  };
}

function withDependencies(file: DescFile, found = new Set<DescFile>()): Set<DescFile> {
  if (found.has(file)) return found;
  found.add(file);
  for (const dependency of file.dependencies) withDependencies(dependency, found);
  return found;
}

type Index = {
  readonly services: readonly string[];
  readonly files: ReadonlyMap<string, DescFile>;
  readonly symbols: ReadonlyMap<string, DescFile>;
  readonly extensions: ReadonlyMap<string, ReadonlyMap<number, DescFile>>;
};

function createIndex(services: readonly DescService[]): Index {
  const all = new Set<DescFile>();
  for (const service of services) withDependencies(service.file, all);
  const symbols = new Map<string, DescFile>();
  const extensions = new Map<string, Map<number, DescFile>>();
  for (const file of all) {
    for (const type of nestedTypes(file)) {
      symbols.set(type.typeName, file);
      if (type.kind === "extension") {
        const byNumber = extensions.get(type.extendee.typeName) ?? new Map();
        extensions.set(type.extendee.typeName, byNumber.set(type.number, file));
      }
      for (const name of memberNames(type)) symbols.set(name, file);
    }
  }
  return {
    services: [...new Set(services.map(({ typeName }) => typeName))].sort(),
    files: new Map([...all].map((file) => [file.proto.name, file])),
    symbols,
    extensions,
  };
}

function memberNames(type: ReturnType<typeof nestedTypes> extends Iterable<infer T> ? T : never) {
  const { typeName } = type;
  if (type.kind === "service") return type.methods.map(({ name }) => `${typeName}.${name}`);
  if (type.kind === "message") return type.fields.map(({ name }) => `${typeName}.${name}`);
  if (type.kind === "enum") {
    // Values are siblings of their enum, not members of it.
    const scope = typeName.slice(0, typeName.lastIndexOf(".") + 1);
    return type.values.map(({ name }) => `${scope}${name}`);
  }
  return [];
}
