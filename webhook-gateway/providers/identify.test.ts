import fc from "fast-check";
import { expect, test } from "vitest";
import { identifyJson } from "./identify.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`identify.test.ts: SEED=${seed}`);
const unnamed = { eventId: "", eventType: "" };

test.each<[string, string, string]>([
  ['{"id":"evt_1","type":"a.b"}', "evt_1", "a.b"],
  [' {\n "type" : "a.b" , "id" : "evt_1" } \n', "evt_1", "a.b"],
  ['{"data":{"id":"inner","type":"x"},"id":"evt_1","list":[{"id":"y"}],"type":"t"}', "evt_1", "t"],
  ['{"note":"\\"id\\":\\"no\\" }","id":"evt_1"}', "evt_1", ""],
  ['{"\\u0069d":"evt_1"}', "evt_1", ""],
  ['{"id":"\\u0065vt_1"}', "evt_1", ""],
  ['{"n":1.5e3,"b":true,"z":null,"type":"t"}', "", "t"],
  ["{}", "", ""],
])("%s", (body, eventId, eventType) => {
  expect(identifyJson(Buffer.from(body))).toEqual({ eventId, eventType });
});

test.each([
  ["nothing", ""],
  ["an array", '[{"id":"evt_1"}]'],
  ["a string", '"id"'],
  ["two ids", '{"id":"evt_1","id":"evt_2"}'],
  ["two types", '{"type":"a","id":"evt_1","type":"b"}'],
  ["the same name escaped", '{"id":"evt_1","\\u0069d":"evt_2"}'],
  ["an id that is a number", '{"id":1}'],
  ["an id that is an object", '{"id":{"id":"evt_1"}}'],
  ["an id of 256 characters", `{"id":"${"x".repeat(256)}"}`],
  ["a control character in the id", '{"id":"evt\\u0000"}'],
  ["half a surrogate in the id", '{"id":"\\ud800"}'],
  ["a body that ends early", '{"id":"evt_1"'],
  ["a string that does not end", '{"id":"evt_1'],
  ["text behind the object", '{"id":"evt_1"}{"id":"evt_2"}'],
  ["a byte order mark", '\ufeff{"id":"evt_1"}'],
])("names nothing for %s", (_, body) => {
  expect(identifyJson(Buffer.from(body))).toEqual(unnamed);
});

test("names nothing when the id is not UTF-8", () => {
  expect(identifyJson(Buffer.from('{"id":"evt_\xff"}', "latin1"))).toEqual(unnamed);
});

test("agrees with JSON.parse on every object, however it is nested", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (rest, id) => {
      fc.pre(!("id" in rest) && !("type" in rest) && !/\p{Cc}/u.test(id));
      const body = Buffer.from(JSON.stringify({ ...rest, id, type: "t" }));
      expect(identifyJson(body)).toEqual({ eventId: id, eventType: "t" });
    }),
    { seed, numRuns: 500 },
  );
});

test("never throws, whatever the bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      identifyJson(bytes);
      identifyJson(Buffer.concat([Buffer.from('{"id":"x","a":'), bytes]));
    }),
    { seed, numRuns: 1000 },
  );
});

test.each<[string, string, string]>([
  ['{"meta":{"name":"a.b","id":"no"},"event_id":"evt_1","id":"no"}', "evt_1", "a.b"],
  ['{"meta":"text","event_id":"evt_1"}', "evt_1", ""],
  ['{"meta.name":"no","event_id":"evt_1"}', "evt_1", ""],
  ['{"meta":{"name":"a"},"meta":{"name":"b"},"event_id":"evt_1"}', "", ""],
  ['{"meta":{"name":"a","name":"b"},"event_id":"evt_1"}', "", ""],
  ['{"meta":{"name":1},"event_id":"evt_1"}', "", ""],
  ['{"meta":{"deeper":{"name":"no"}},"event_id":"evt_1"}', "evt_1", ""],
])("id and type are found where it is told they stand: %s", (body, eventId, eventType) => {
  const names = { id: ["event_id"], type: ["meta", "name"] };
  expect(identifyJson(Buffer.from(body), names)).toEqual({ eventId, eventType });
});
