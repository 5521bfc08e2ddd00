// Innermost: holds every request message against the rules beside its fields and against its update
// mask, and what the handler answers against the rules of the answer.

import type { DescMethod, Message } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { refuseMask } from "../../policy/update-mask.ts";
import { describeProblems, validate } from "../../policy/validation.ts";
import { refuseRequest } from "../errors.ts";
import { createResponseCheck, type ResponseCheckOptions } from "./response-check.ts";
import { eachMessage } from "./stream.ts";

export function validation(options: ResponseCheckOptions): Interceptor {
  const checkResponse = createResponseCheck(options);
  return (next) => async (request) => {
    const { method } = request;
    if (!request.stream) requireValid(method, request.message);
    const checked = request.stream
      ? { ...request, message: eachMessage(request.message, (one) => requireValid(method, one)) }
      : request;
    const response = await next(checked);
    if (!response.stream) {
      checkResponse(method, response.message);
      return response;
    }
    const message = eachMessage(response.message, (one) => checkResponse(method, one));
    return { ...response, message };
  };
}

function requireValid(method: DescMethod, message: Message): void {
  const problems = validate(method.input, message);
  if (problems.length > 0) {
    throw refuseRequest(RequestRefusal.INVALID_FIELD, describeProblems(problems), problems);
  }
  const refused = refuseMask(method, message);
  if (refused === undefined) return;
  const refusal = maskRefusals[refused.reason];
  throw refuseRequest(refusal, describeProblems(refused.problems), refused.problems);
}

const maskRefusals = {
  unknown: RequestRefusal.UNKNOWN_FIELD,
  immutable: RequestRefusal.IMMUTABLE_FIELD,
} as const;
