// Requests as bytes on the wire, and what may be wrong with those: lengths that
// lie, pieces that come apart, requests that follow without waiting.

import type { Random, Request } from "./mutate.ts";

export function wireOf(
  endpointId: string,
  { rawHeaders, query, body }: Request,
  contentType: string,
  framing: "length" | "chunked" | number,
): Buffer {
  const lines = [`POST /v1/in/${endpointId}${query === undefined ? "" : `?${query}`} HTTP/1.1`];
  lines.push("host: door", `content-type: ${contentType}`);
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  }
  const length = typeof framing === "number" ? framing : body.length;
  lines.push(framing === "chunked" ? "transfer-encoding: chunked" : `content-length: ${length}`);
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  if (framing !== "chunked") return Buffer.concat([head, body]);
  const half = body.length >> 1;
  const chunks = [body.subarray(0, half), body.subarray(half)].filter(
    ({ length: size }) => size > 0,
  );
  const pieces = chunks.flatMap((chunk) => [
    Buffer.from(`${chunk.length.toString(16)}\r\n`),
    chunk,
    Buffer.from("\r\n"),
  ]);
  return Buffer.concat([head, ...pieces, Buffer.from("0\r\n\r\n")]);
}

/** As it leaves the sender: mostly as it is, sometimes with a byte that is not as it was. */
export function damaged(wire: Buffer, random: Random): Buffer {
  const at = random(wire.length);
  switch (random(6)) {
    case 0: {
      const flipped = Buffer.from(wire);
      flipped[at]! ^= 1 << random(8);
      return flipped;
    }
    case 1:
      return wire.subarray(0, at);
    case 2:
      return Buffer.concat([wire.subarray(0, at), Buffer.from("\r\n"), wire.subarray(at)]);
    default:
      return wire;
  }
}

export function pieces(wire: Buffer, random: Random): Buffer[] {
  const at = [0, ...Array.from({ length: random(4) }, () => random(wire.length + 1)), wire.length];
  at.sort((a, b) => a - b);
  return at.slice(1).map((end, index) => wire.subarray(at[index], end));
}
