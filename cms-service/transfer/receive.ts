// The files of an import, as they come off the wire: bounded, whole and closed, or refused.

import { createHash } from "node:crypto";
import type { ImportCourseRequest, ImportTarget } from "#gen/bursar/cms/v1/transfer_service_pb.ts";
import { refused } from "../requests/refusal.ts";
import type { Folder } from "./print-course.ts";

const filesMax = 5_000;
const bytesMax = 32 * 1024 * 1024;

export type Received = { readonly target: ImportTarget; readonly folder: Folder };

export async function receive(requests: AsyncIterable<ImportCourseRequest>): Promise<Received> {
  const pieces = new Map<string, Uint8Array[]>();
  let target: ImportTarget | undefined;
  let last: string | undefined;
  let fileCount: number | undefined;
  let bytes = 0;
  for await (const { part } of requests) {
    if (fileCount !== undefined) throw invalid("something came after the end");
    if (target === undefined) {
      if (part.case !== "target") throw invalid("the first message must be the target");
      target = part.value;
    } else if (part.case === "end") {
      fileCount = part.value.fileCount;
    } else if (part.case === "file") {
      const { path, content } = part.value;
      if (path !== last && pieces.has(path)) throw invalid(`${path} was sent twice`);
      last = path;
      bytes += content.length;
      if (bytes > bytesMax) throw invalid(`more than ${bytesMax} bytes`);
      const own = pieces.get(path);
      if (own) own.push(content);
      else pieces.set(path, [content]);
      if (pieces.size > filesMax) throw invalid(`more than ${filesMax} files`);
    } else throw invalid("there is one target, in the first message");
  }
  if (target === undefined || fileCount === undefined) {
    throw invalid("the stream ended without its end, nothing was imported: send it again");
  }
  if (fileCount !== pieces.size) {
    throw invalid(`the end names ${fileCount} files, but ${pieces.size} came`);
  }
  const folder = new Map([...pieces].map(([path, own]) => [path, textOf(path, own)]));
  const filesSha256 = createHash("sha256")
    .update(JSON.stringify([...folder].sort()))
    .digest();
  return { target: { ...target, filesSha256: new Uint8Array(filesSha256) }, folder };
}

function textOf(path: string, pieces: readonly Uint8Array[]): string {
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const text = decoder.decode(Buffer.concat(pieces));
    if (!text.includes("\0")) return text;
  } catch {}
  throw invalid(`${path} is not a text in UTF-8`);
}

function invalid(problem: string) {
  return refused("IMPORT_INVALID", `import: ${problem}`);
}
