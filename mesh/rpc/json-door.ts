// Stands between the wire and the decoder for requests in JSON, whatever
// protocol they come in: plain, in a query, or enveloped, compressed or not.
// What reaches the decoder was scanned and holds only exact numbers.

import type { DescMessage } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import {
  type Compression,
  compressedFlag,
  type EnvelopedMessage,
  encodeEnvelope,
  pipe,
  readAllBytes,
  transformSplitEnvelope,
} from "@connectrpc/connect/protocol";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { refuseRequest } from "./errors.ts";
import { scanJson } from "./json.ts";
import { checkJson } from "./json-fields.ts";

export type JsonDoor = {
  readonly input: DescMessage;
  readonly readMaxBytes: number;
  readonly compressions: readonly Compression[];
};

export type DoorRequest = {
  /** The request's own: what no longer holds for the checked body is taken out of it. */
  readonly header: Headers;
  readonly body: AsyncIterable<Uint8Array>;
};

/** The request with its JSON checked as it is read; a binary request as it is. */
export function throughJsonDoor(door: JsonDoor, request: DoorRequest): DoorRequest {
  const type = request.header.get("content-type")?.toLowerCase() ?? "";
  if (!type.includes("json")) return request;
  const isPlain = type.startsWith("application/json");
  return isPlain ? plainRequest(door, request) : envelopedRequest(door, type, request);
}

/** Checks the message in the query of a Connect GET. */
export async function checkQuery(
  door: JsonDoor,
  query: URLSearchParams,
  header: Headers,
): Promise<void> {
  if (query.get("encoding") !== "json") return;
  const message = query.get("message") ?? "";
  const name = query.get("compression");
  const compression = door.compressions.find((known) => known.name === name);
  if (name !== null && name !== "identity" && compression === undefined) return;
  let bytes: Uint8Array = Buffer.from(message);
  if (query.get("base64") === "1") bytes = decodedBase64(message);
  if (compression) bytes = await compression.decompress(bytes, door.readMaxBytes);
  checkBytes(door.input, bytes, takesUnknownFields(header));
}

/** Decompressed here, so that it is decompressed once. */
function plainRequest(door: JsonDoor, { header, body }: DoorRequest): DoorRequest {
  const name = header.get("content-encoding");
  const compression = door.compressions.find((known) => known.name === name);
  // An encoding that nobody knows is for the protocol's own error, before the body is read.
  if (name !== null && name !== "identity" && !compression) return { header, body };
  const length = header.get("content-length");
  if (compression) {
    header.delete("content-encoding");
    header.delete("content-length");
  }
  const takesUnknown = takesUnknownFields(header);
  async function* checked() {
    let bytes = await readAllBytes(body, door.readMaxBytes, length);
    if (compression) bytes = await compression.decompress(bytes, door.readMaxBytes);
    checkBytes(door.input, bytes, takesUnknown);
    yield bytes;
  }
  return { header, body: checked() };
}

function envelopedRequest(door: JsonDoor, type: string, { header, body }: DoorRequest) {
  const isGrpc = type.startsWith("application/grpc");
  const name = header.get(isGrpc ? "grpc-encoding" : "connect-content-encoding");
  const compression = door.compressions.find((known) => known.name === name);
  const takesUnknown = takesUnknownFields(header);
  async function* checked(envelopes: AsyncIterable<EnvelopedMessage>) {
    for await (const { flags, data } of envelopes) {
      const isCompressed = (flags & compressedFlag) !== 0;
      if (isCompressed && !compression) {
        throw refuseRequest(
          RequestRefusal.MALFORMED,
          "compressed message without a known encoding",
        );
      }
      const bytes =
        isCompressed && compression ? await compression.decompress(data, door.readMaxBytes) : data;
      checkBytes(door.input, bytes, takesUnknown);
      yield encodeEnvelope(flags & ~compressedFlag, bytes);
    }
  }
  return { header, body: pipe(body, transformSplitEnvelope(door.readMaxBytes), checked) };
}

/**
 * A caller that knows a newer schema than this server may say so, and is then not told of fields
 * that are dropped here: `bursar-unknown-fields: ignore`.
 */
const unknownFieldsHeader = "bursar-unknown-fields";

function takesUnknownFields(header: Headers): boolean {
  return header.get(unknownFieldsHeader) === "ignore";
}

function checkBytes(input: DescMessage, bytes: Uint8Array, takesUnknown: boolean): void {
  const scan = scanJson(bytes);
  if (!scan.ok) {
    const problem = `${scan.problem} at offset ${scan.offset}`;
    throw refuseRequest(RequestRefusal.MALFORMED, `the request is not JSON: ${problem}`, [
      { field: "", problem },
    ]);
  }
  const { inexact, duplicate, malformed, unknown } = checkJson(input, scan.value);
  // Twice somewhere the schema does not look, such as inside an unknown field.
  const hidden = scan.duplicates.map((field) => ({ field, problem: "appears more than once" }));
  for (const [refusal, problems] of [
    [RequestRefusal.INEXACT_NUMBER, inexact],
    [RequestRefusal.DUPLICATE_FIELD, duplicate.length > 0 ? duplicate : hidden],
    [RequestRefusal.MALFORMED, malformed],
    [RequestRefusal.UNKNOWN_FIELD, takesUnknown ? [] : unknown],
  ] as const) {
    const names = problems.map(({ field, problem }) => `${field || "the request"} ${problem}`);
    if (problems.length > 0) throw refuseRequest(refusal, names.join("; "), problems);
  }
}

function decodedBase64(text: string): Uint8Array {
  try {
    return base64Decode(text);
  } catch {
    throw refuseRequest(RequestRefusal.MALFORMED, "the message is not base64");
  }
}
