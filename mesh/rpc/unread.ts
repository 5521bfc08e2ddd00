// Answers to requests that never reached a handler because they could not be
// read: too large, cut short, not decodable. Connect writes these answers itself;
// their errors are read back for the record, and for the reason that they lack.

import { Code, ConnectError } from "@connectrpc/connect";
import {
  createAsyncIterable,
  encodeEnvelope,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  endStreamFlag,
  endStreamFromJson,
  endStreamToJson,
  errorFromJsonBytes,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { findTrailerError, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerParse, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import type { CallRecord, Recorder } from "./call-record.ts";
import { readRefusal } from "./read-refusal.ts";

export async function closeUnread(
  response: UniversalServerResponse,
  record: CallRecord,
  recorder: Recorder,
): Promise<UniversalServerResponse> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body ?? []) chunks.push(chunk);
  const answer = openAnswer(response, Buffer.concat(chunks));
  const { error } = answer;
  const refusal = error && readRefusal(error);
  recorder.close(record, refusal);
  return refusal === undefined || refusal === error ? answer.response : answer.saying(refusal);
}

type Answer = {
  /** Undefined: success. */
  readonly error: ConnectError | undefined;
  readonly response: UniversalServerResponse;
  /** The same answer with another error. */
  saying(error: ConnectError): UniversalServerResponse;
};

/** Each protocol says its error elsewhere. */
function openAnswer(answered: UniversalServerResponse, body: Buffer): Answer {
  const type = answered.header?.get("content-type") ?? "";
  const response = { ...answered, body: createAsyncIterable([body]) };
  const { trailer } = response;
  if (trailer?.has("grpc-status")) {
    return {
      error: findTrailerError(trailer),
      response,
      saying: (error) => ({ ...response, trailer: setTrailerStatus(trailer, error) }),
    };
  }
  if (type.startsWith("application/grpc-web")) {
    const inBody = trailerParse(body.subarray(envelopeHeadBytes));
    return {
      error: findTrailerError(inBody) ?? unread,
      response,
      saying(error) {
        const bytes = trailerSerialize(setTrailerStatus(inBody, error));
        return { ...response, body: createAsyncIterable([encodeEnvelope(trailerFlag, bytes)]) };
      },
    };
  }
  if (response.status === 200) {
    return {
      error: endOfStream(body),
      response,
      saying(error) {
        const end = JSON.stringify(endStreamToJson(new Headers(), error, undefined));
        const bytes = encodeEnvelope(endStreamFlag, Buffer.from(end));
        return { ...response, body: createAsyncIterable([bytes]) };
      },
    };
  }
  return {
    error: jsonError(body),
    response,
    saying(error) {
      const bytes = errorToJsonBytes(error, undefined);
      const header = new Headers(response.header);
      header.set("content-length", `${bytes.byteLength}`);
      header.delete("content-encoding");
      const status = codeToHttpStatus(error.code);
      return { ...response, status, header, body: createAsyncIterable([bytes]) };
    },
  };
}

const envelopeHeadBytes = 5;

/** An answer without an error that could be read back: a path or a type that nobody serves. */
const unread = new ConnectError("request not read", Code.Unimplemented);

/** A wrong method, content type or HTTP version is answered without a body. */
function jsonError(body: Buffer): ConnectError {
  try {
    return errorFromJsonBytes(body, undefined, unread);
  } catch {
    return unread;
  }
}

function endOfStream(body: Buffer): ConnectError | undefined {
  try {
    return endStreamFromJson(body.subarray(envelopeHeadBytes)).error;
  } catch {
    return unread;
  }
}
