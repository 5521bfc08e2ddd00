// What operators ask for and do not get, with a reason that programs can tell apart.

import { Code, type ConnectError } from "@connectrpc/connect";
import {
  DeliveryRefusal,
  DeliveryRefusalDetailSchema,
} from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { refuse } from "#mesh/rpc/errors.ts";

export function refused(
  refusal: keyof typeof codes,
  message: string,
  resource: string,
): ConnectError {
  return refuse(codes[refusal], message, {
    desc: DeliveryRefusalDetailSchema,
    value: { refusal: DeliveryRefusal[refusal], resource },
  });
}

const codes = {
  NOT_FOUND: Code.NotFound,
  BYTES_GONE: Code.FailedPrecondition,
  GIVEN_UP_AGAIN: Code.FailedPrecondition,
  REQUEST_ID_REUSED: Code.AlreadyExists,
  QUARANTINE_KEY_MISSING: Code.FailedPrecondition,
  QUARANTINE_KEY_CHANGED: Code.FailedPrecondition,
  ENDPOINT_UNKNOWN: Code.FailedPrecondition,
  NOT_DURABLE: Code.Unavailable,
  CERTIFICATE_AWAY: Code.Unavailable,
} as const satisfies Record<Exclude<keyof typeof DeliveryRefusal, "UNSPECIFIED">, Code>;
