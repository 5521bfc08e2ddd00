// Answers to requests that never reached a handler because they could not be
// read: too large, cut short, not decodable. Connect writes these answers itself;
// their code is read back for the record. It also calls undecodable bytes an
// internal error; they are the caller's, so the answer is turned into one that says so.

import { Code, ConnectError } from "@connectrpc/connect";
import {
  createAsyncIterable,
  encodeEnvelope,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { type CallRecord, codeName, type Recorder } from "./call-record.ts";

export async function closeUnread(
  response: UniversalServerResponse,
  record: CallRecord,
  recorder: Recorder,
): Promise<UniversalServerResponse> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body ?? []) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const answer: UniversalServerResponse = { ...response, body: createAsyncIterable([body]) };

  const code = codeOf(response, body);
  if (code !== Code.Internal) {
    const reason = code === undefined ? undefined : new ConnectError("request not read", code);
    recorder.close(record, reason);
    return answer;
  }
  recorder.close(record, new ConnectError("request not decodable", Code.InvalidArgument));
  return asInvalidArgument(answer, body);
}

/** Undefined: success. */
function codeOf({ status, trailer }: UniversalServerResponse, body: Buffer): Code | undefined {
  const text = body.toString("latin1");
  const grpcStatus = trailer?.get("grpc-status") ?? /^grpc-status: ?(\d+)/im.exec(text)?.[1];
  if (grpcStatus !== undefined) return Number(grpcStatus) || undefined;
  const [, name] = /"code":"([a-z_]+)"/.exec(text) ?? [];
  const code = name === undefined ? undefined : codesByName.get(name);
  return status === 200 ? code : (code ?? Code.Unimplemented);
}

const codesByName: ReadonlyMap<string, Code> = new Map(
  Object.values(Code)
    .filter((code) => typeof code === "number")
    .map((code) => [codeName(code), code]),
);

const invalid = codeName(Code.InvalidArgument);
const grpcWebTrailerFlag = 0x80;

function asInvalidArgument(
  response: UniversalServerResponse,
  body: Buffer,
): UniversalServerResponse {
  if (response.trailer?.has("grpc-status")) {
    response.trailer.set("grpc-status", `${Code.InvalidArgument}`);
    return response;
  }
  const header = new Headers(response.header);
  if (header.get("content-type")?.startsWith("application/grpc-web")) {
    const text = body.subarray(5).toString("latin1");
    const trailer = text.replace(/^grpc-status: ?\d+/im, `grpc-status: ${Code.InvalidArgument}`);
    const envelope = encodeEnvelope(grpcWebTrailerFlag, Buffer.from(trailer, "latin1"));
    return { ...response, body: createAsyncIterable([envelope]) };
  }
  if (response.status !== 500) return response;
  const text = body.toString().replace('"code":"internal"', `"code":"${invalid}"`);
  const bytes = Buffer.from(text);
  header.set("content-length", `${bytes.byteLength}`);
  return { ...response, status: 400, header, body: createAsyncIterable([bytes]) };
}
