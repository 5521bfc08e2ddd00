import { randomUUID } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { afterAll, expect, test } from "vitest";
import { TransferService } from "#gen/bursar/cms/v1/transfer_service_pb.ts";
import { makeDraft, openTestCms, refusalOf } from "../testing/cms.ts";

const cms = await openTestCms();
afterAll(() => cms[Symbol.asyncDispose]());
const transfer = await cms.server.client(TransferService);

async function exported(courseId: string) {
  const files = new Map<string, string>();
  for await (const { part } of transfer.exportCourse({ courseId })) {
    if (part.case === "file") {
      const { path, content } = part.value;
      files.set(path, (files.get(path) ?? "") + Buffer.from(content).toString());
    } else if (part.case === "end") return { files, ...part.value };
  }
  throw new Error("the export was cut off");
}

type Target = { requestId: string; courseId?: string; etag?: string; slug?: string };

async function* partsOf(target: Target, files: ReadonlyMap<string, string>, closed = true) {
  yield { part: { case: "target" as const, value: target } };
  for (const [path, text] of files) {
    yield { part: { case: "file" as const, value: { path, content: Buffer.from(text) } } };
  }
  if (!closed) return;
  yield { part: { case: "end" as const, value: { fileCount: files.size } } };
}

test("an exported draft replaces itself without a difference", async () => {
  const { courseId } = await makeDraft(cms);
  const { files, etag } = await exported(courseId);
  await transfer.importCourse(partsOf({ requestId: randomUUID(), courseId, etag }, files));
  expect([...(await exported(courseId)).files]).toEqual([...files]);
});

test("a folder becomes a new course once a request id, with ids of its own", async () => {
  const { courseId, lessonId } = await makeDraft(cms);
  const { files } = await exported(courseId);
  const target = { requestId: randomUUID(), slug: `copy-${Date.now()}` };
  const first = await transfer.importCourse(partsOf(target, files));
  expect(await transfer.importCourse(partsOf(target, files))).toEqual(first);
  expect(first.courseId).not.toBe(courseId);
  const { course } = await cms.courses.getCourse({ courseId: first.courseId });
  expect(course?.modules[0]?.lessons.map(({ title }) => title)).toEqual(["Axioms", "Welcome"]);
  expect(JSON.stringify([...(await exported(first.courseId)).files])).not.toContain(lessonId);
});

test("a stream without its end, a stale etag and a bad file import nothing", async () => {
  const { courseId } = await makeDraft(cms);
  const { files, etag } = await exported(courseId);
  const target = () => ({ requestId: randomUUID(), courseId, etag });
  const cut = await refusalOf(transfer.importCourse(partsOf(target(), files, false)));
  expect(cut).toMatchObject({ code: Code.InvalidArgument, refusal: "IMPORT_INVALID" });
  const stale = transfer.importCourse(partsOf({ ...target(), etag: '"1"' }, files));
  expect(await refusalOf(stale)).toMatchObject({ code: Code.Aborted, refusal: "ETAG_MISMATCH" });
  const bad = transfer.importCourse(partsOf(target(), new Map([...files, ["../x", ""]])));
  expect(await refusalOf(bad)).toMatchObject({ refusal: "IMPORT_INVALID" });
  expect((await exported(courseId)).etag).toBe(etag);
});
