// Innermost: holds every request message against the rules beside its fields.

import type { DescMessage, Message } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { validate } from "../../policy/validation.ts";
import { refuseRequest } from "../errors.ts";
import { eachMessage } from "./stream.ts";

export const validation: Interceptor = (next) => async (request) => {
  const { input } = request.method;
  if (!request.stream) {
    requireValid(input, request.message);
    return next(request);
  }
  const message = eachMessage(request.message, (one) => requireValid(input, one));
  return next({ ...request, message });
};

function requireValid(schema: DescMessage, message: Message): void {
  const problems = validate(schema, message);
  if (problems.length === 0) return;
  const list = problems.map(({ field, problem }) => (field ? `${field}: ${problem}` : problem));
  throw refuseRequest(RequestRefusal.INVALID_FIELD, list.join("; "), problems);
}
