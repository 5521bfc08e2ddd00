// What Connect finds wrong while it reads a request has a code, but no reason that a program could
// act on, and bytes that are no message it calls an internal error. Here they become the caller's
// mistake.

import { Code, type ConnectError } from "@connectrpc/connect";
import { RequestRefusal, RequestRefusalDetailSchema } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { isRefusal, refuse, refuseRequest } from "./errors.ts";

/** The error with its reason; what is not about reading stays as it is. */
export function readRefusal(error: ConnectError): ConnectError {
  const isOurs: boolean = isRefusal(error);
  if (isOurs || error.details.length > 0) return error;
  switch (error.code) {
    case Code.ResourceExhausted:
      return refuseRequest(RequestRefusal.TOO_LARGE, tooLargeText(error.rawMessage));
    case Code.Internal:
    case Code.InvalidArgument:
      return refuseRequest(RequestRefusal.MALFORMED, error.rawMessage);
    case Code.Unimplemented:
      return unimplemented(error);
    default:
      return error;
  }
}

/** Connect's own, about too few or too many messages: no handler speaks so. */
export function isProtocolError({ rawMessage }: ConnectError): boolean {
  return rawMessage.startsWith("protocol error: ");
}

function tooLargeText(text: string): string {
  const [, bytesMax] = /readMaxBytes (\d+)/.exec(text) ?? [];
  return `the request is larger than ${bytesMax ?? "allowed"} bytes`;
}

/** An encoding nobody knows, or a number of messages that the method does not take. */
function unimplemented({ rawMessage, metadata }: ConnectError): ConnectError {
  const value = { refusal: RequestRefusal.MALFORMED };
  const detail = { desc: RequestRefusalDetailSchema, value };
  const error = refuse(Code.Unimplemented, rawMessage, detail);
  // It names the encodings that are known.
  metadata.forEach((header, name) => {
    error.metadata.set(name, header);
  });
  return error;
}
