// Creates are safe to repeat: the request id and the answer stand in the same
// SQL transaction as what was created. A refusal leaves no row, so the same id
// may be tried again when its reason is gone.

import { createHash } from "node:crypto";
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { Tx } from "#mesh/database/pool.ts";
import { refused } from "./refusal.ts";

type CreateMethod<I extends DescMessage, O extends DescMessage> = {
  readonly name: string;
  readonly input: I;
  readonly output: O;
};

/**
 * Does the work once an id, whoever asks and however often. What the request
 * says only by who sends it (the learner of a token) must be in it already.
 */
export async function once<I extends DescMessage, O extends DescMessage>(
  tx: Tx,
  method: CreateMethod<I, O>,
  request: MessageShape<I> & { readonly requestId: string },
  work: () => Promise<MessageInitShape<O>>,
): Promise<MessageShape<O>> {
  const { requestId } = request;
  const digest = digestOf(method.input, request);
  const inserted = await tx`
    insert into request (request_id, method, digest)
    values (${requestId}, ${method.name}, ${digest})
    on conflict (request_id) do nothing
  `;
  if (inserted.count === 0) return firstAnswer(tx, method, requestId, digest);

  const response = create(method.output, await work());
  const bytes = Buffer.from(toBinary(method.output, response));
  await tx`update request set response = ${bytes} where request_id = ${requestId}`;
  return response;
}

async function firstAnswer<I extends DescMessage, O extends DescMessage>(
  tx: Tx,
  { name, output }: CreateMethod<I, O>,
  requestId: string,
  digest: Buffer,
): Promise<MessageShape<O>> {
  const [first] = await tx<{ method: string; digest: Buffer; response: Buffer }[]>`
    select method, digest, response from request where request_id = ${requestId}
  `;
  if (first?.method !== name || !first.digest.equals(digest)) {
    throw refused("REQUEST_ID_REUSED", `request_id ${requestId} was used for another request`, {
      resource: requestId,
    });
  }
  return fromBinary(output, first.response);
}

/** Of the parsed request, so that it does not matter how it was written, its id included. */
function digestOf<I extends DescMessage>(schema: I, request: MessageShape<I>): Buffer {
  const bytes = toBinary(schema, { ...request, requestId: "" }, { writeUnknownFields: false });
  return createHash("sha256").update(bytes).digest();
}
