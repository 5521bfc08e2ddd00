import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { ServerReflectionRequestSchema } from "#gen/grpc/reflection/v1/reflection_pb.ts";
import { requestRefusalOf } from "./errors.ts";
import { reflectionService } from "./reflection.ts";
import { untilRest } from "./until-rest.ts";

/** Says when it is asked for more than it has, and never gives it. */
function resting(count: number) {
  const rests = Promise.withResolvers<void>();
  async function* inputs(): AsyncGenerator<number> {
    for (let n = 0; n < count; n++) yield n;
    rests.resolve();
    await new Promise(() => {});
  }
  return { inputs: inputs(), rests: rests.promise };
}

async function take(inputs: AsyncIterable<number>) {
  const taken: number[] = [];
  try {
    for await (const input of inputs) taken.push(input);
  } catch (error) {
    return { taken, error: ConnectError.from(error) };
  }
  return { taken, error: undefined };
}

test("a stream that ends by itself is passed on as it is, stopping or not", async () => {
  for (const stopping of [new AbortController().signal, AbortSignal.abort()]) {
    const inputs = (async function* () {
      yield* [0, 1, 2];
    })();
    expect(await take(untilRest(inputs, stopping))).toEqual({ taken: [0, 1, 2], error: undefined });
  }
});

test.each(["while it rests", "before it does"])(
  "a caller who rests is sent elsewhere when the server stops %s",
  async (when) => {
    const stopping = new AbortController();
    const { inputs, rests } = resting(2);
    if (when === "before it does") stopping.abort();
    const taking = take(untilRest(inputs, stopping.signal, 1));
    await rests;
    stopping.abort();
    const { taken, error } = await taking;
    expect(taken).toEqual([0, 1]);
    expect(error?.code).toBe(Code.Unavailable);
    expect(requestRefusalOf(error)?.refusal).toBe(RequestRefusal.STOPPING);
  },
);

test("a fault of the inputs is passed on", async () => {
  const inputs = (async function* () {
    yield 0;
    throw new ConnectError("broken", Code.Canceled);
  })();
  const { taken, error } = await take(untilRest(inputs, AbortSignal.abort()));
  expect([taken, error?.code]).toEqual([[0], Code.Canceled]);
});

test("a tool that asked for the schema and holds its stream is not waited for", async () => {
  const stopping = new AbortController();
  const { serverReflectionInfo } = reflectionService(() => [], stopping.signal);
  const asked = create(ServerReflectionRequestSchema);
  async function* requests() {
    yield asked;
    await new Promise(() => {});
  }
  const answers = serverReflectionInfo(requests(), {} as HandlerContext)[Symbol.asyncIterator]();
  expect((await answers.next()).value?.originalRequest).toEqual(asked);
  const ended = answers.next();
  stopping.abort();
  await expect(ended).rejects.toMatchObject({ code: Code.Unavailable });
});
