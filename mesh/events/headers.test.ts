import { headers as clientHeaders, type MsgHdrs } from "@nats-io/transport-node";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parsePlain, readHeaders } from "./incoming-headers.ts";
import { createHeaders } from "./outgoing-headers.ts";

type Encoded = MsgHdrs & { encode(): Uint8Array };

const name = fc.stringMatching(/^[!-9;-~]{1,20}$/);
const value = fc.string({ unit: "binary", maxLength: 40 }).filter((text) => !/[\r\n]/.test(text));

test("headers are encoded as the client encodes them", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(name, value), { selector: ([one]) => one }), (list) => {
      const ours = createHeaders();
      const theirs = clientHeaders() as Encoded;
      for (const [one, text] of list) {
        ours.add(one, text.trim());
        theirs.append(one, text);
      }
      const encoded = Buffer.from((ours as unknown as Encoded).encode()).toString();
      if (list.length > 0) expect(encoded).toBe(Buffer.from(theirs.encode()).toString());
    }),
  );
});

test("a name or a value that would break the form is refused", () => {
  for (const bad of ["", "a b", "a:b", "é", "a\r\nb"]) {
    expect(() => createHeaders().add(bad, "x")).toThrow();
  }
  expect(() => createHeaders().add("a", "x\r\ny: z")).toThrow();
  expect(() => createHeaders().add("a", "x\ny")).toThrow();
});

test("plain headers are read as the client reads them", () => {
  const plain = fc.stringMatching(/^[ -~]{0,40}$/);
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(name, plain), { selector: ([one]) => one, minLength: 1 }),
      (list) => {
        const built = clientHeaders() as Encoded;
        for (const [one, text] of list) built.append(one, text);
        const text = Buffer.from(built.encode()).toString("latin1");
        expect(parsePlain(text)).toEqual([...built].map(([one, values]) => [one, values[0]]));
      },
    ),
  );
});

test.each([
  ["another first line", "NATS/1.0 503 No Responders\r\n\r\n"],
  ["a name that comes twice", "NATS/1.0\r\na: 1\r\na: 2\r\n\r\n"],
  ["characters beyond ASCII", "NATS/1.0\r\na: \u00e9\r\n\r\n"],
  ["a line without a colon", "NATS/1.0\r\na\r\n\r\n"],
  ["a name with a space", "NATS/1.0\r\na b: 1\r\n\r\n"],
  ["a line that is not ended", "NATS/1.0\r\na: 1"],
])("%s is left to the client", (_, text) => {
  expect(parsePlain(text)).toBeUndefined();
  const headers = clientHeaders();
  headers.append("a", "1");
  headers.append("a", "2");
  const rest = "a body";
  const data = Buffer.from(text + rest, "latin1");
  const message = { headers, msg: { _msg: { hdr: text.length }, _rdata: data } };
  expect(readHeaders(message)).toEqual([
    ["a", "1"],
    ["a", "2"],
  ]);
});

test("a message without headers has none", () => {
  expect(readHeaders({ headers: undefined })).toEqual([]);
});
