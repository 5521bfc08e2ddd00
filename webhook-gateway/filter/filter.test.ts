import { expect, test } from "vitest";
import { webhookWith } from "../testing/webhooks.ts";
import { nodesMax } from "./check-expression.ts";
import { expressionLengthMax, filteredBytesMax, parseFilter } from "./filter.ts";

const body = `{
  "livemode": true, "count": 3, "rate": 0.5, "long": 9007199254740993,
  "beyond": 12345678901234567890, "tags": ["a", "b"], "none": null,
  "items": [{"price": 5, "tags": ["x"]}, {"price": 7, "tags": []}]
}`;

// One row an expression, and what it says about the body above.
test.each([
  ["event.livemode", "passes"],
  ["event.livemode == false", "filtered"],
  ["event.count == 3 && event.count == 3.0", "passes"],
  ["event.rate < 1.0", "passes"],
  ["event.long == 9007199254740993", "passes"],
  ["event.long == 9007199254740992", "filtered"],
  ["event.beyond > 1e19", "passes"],
  ["'a' in event.tags && size(event.tags) == 2", "passes"],
  ["event.none == null", "passes"],
  ["has(event.account)", "filtered"],
  ["!has(event.account) || event.account == 'acct_1'", "passes"],
  ["event.items.exists(item, item.price > 6)", "passes"],
  ["event.items.all(item, item.tags.exists(tag, tag == 'x'))", "filtered"],
  ["event.items[1].price == 7", "passes"],
  ["event.items.exists(item, item.price == event.count || item.price > event.count)", "passes"],
  ["event.items.all(item, event.livemode && item.price * event.count > 3)", "passes"],
  ["event.items.exists(item, 'x' in item.tags && item.tags.all(tag, tag != item.price))", "passes"],
  ["event.tags.all(tag, !tag.startsWith(event.items[0].tags[0]) && size(tag) == 1)", "passes"],
  ["size(event.items.filter(item, item.price == event.count)) == 0", "passes"],
  ["type.startsWith('payment_intent.') && id == 'evt_1' && provider == 'stripe'", "passes"],
  ["type.matches('^payment_intent[.](succeeded|failed)$')", "passes"],
  ["event.livemode ? type != '' : false", "passes"],
  // What it cannot tell lets the event pass, and says so.
  ["event.missing == 1", "failed"],
  ["event.count", "failed"],
  ["event.tags > 1", "failed"],
  ["event.count / 0 == 1", "failed"],
])("%s %s", (expression, judgement) => {
  expect(judge(expression, body)).toBe(judgement);
});

test.each([
  ["event.livemode ==", "does not compile"],
  ["event.count + 1", "is not true or false"],
  ["type", "is not true or false"],
  ["'yes'", "is not true or false"],
  ["event.items.map(item, item.price)", "is not true or false"],
  ["livemode == true", "names livemode, which is none of event, type, id, provider"],
  ["event.items.exists(item, itm.price > 1)", "names itm"],
  ["fetch('https://example.com')", "calls fetch, which is no function"],
  ["google.protobuf.Struct{} == event", "makes a message"],
  [
    "event.items.all(a, event.items.all(b, a == b))",
    "goes through something else than a list of a",
  ],
  // Each of these takes a list's length times what else the body holds.
  ["event.tags.all(tag, tag in event.tags)", "more than a value of event for each element"],
  ["event.tags.all(tag, size(event.long) > 1)", "more than a value of event for each element"],
  ["event.tags.all(tag, event.tags == event.items)", "more than a value of event"],
  ["event.tags.all(tag, [tag] == [event.tags])", "more than a value of event"],
  ["size(event.tags.map(tag, event.tags)) > 1", "more than a value of event"],
  ["event.items.all(a, a.tags.all(b, b in a.tags))", "more than a value of a for each element"],
  ["[1, 2].all(n, event.count > n)", "goes through something else than a list of event"],
  [`type == '${"a".repeat(expressionLengthMax)}'`, `is longer than ${expressionLengthMax}`],
  [
    Array(nodesMax / 2)
      .fill("!id")
      .join("==")
      .slice(0, 2000),
    "has more than",
  ],
  ["type.matches('(')", "has a pattern that cannot be read"],
])("%s is refused: %s", (expression, problem) => {
  expect(parseFilter(expression)).toEqual({ problem: expect.stringContaining(problem) });
});

test.each([
  ["no JSON", "paid!"],
  ["a name twice", '{"livemode":false,"livemode":true}'],
  [
    "more than is looked at",
    JSON.stringify({ livemode: false, pad: "x".repeat(filteredBytesMax) }),
  ],
])("a body that cannot be judged passes: %s", (_, text) => {
  expect(judge("event.livemode == true", text)).toBe("failed");
});

test("the fields of a form are texts", () => {
  const contentType = "application/x-www-form-urlencoded; charset=utf-8";
  const form = { contentType };
  expect(judge("event.kind == 'a b' && event.n == '1'", "kind=a+b&n=1", form)).toBe("passes");
  expect(judge("event.n == 1", "n=1", form)).toBe("filtered");
  expect(judge("event.n == '1'", "n=1&n=2", form)).toBe("failed");
});

test("a pattern and a text that lead others astray cost no time", () => {
  const text = JSON.stringify({ name: `${"a".repeat(50_000)}!` });
  // A matcher that goes back would not be done before the end of the universe.
  expect(judge("event.name.matches('^(a+)+$')", text)).toBe("filtered");
});

function judge(expression: string, text: string, over: { contentType?: string } = {}) {
  const filter = parseFilter(expression);
  if ("problem" in filter) throw new Error(filter.problem);
  return filter.judge(webhookWith(text, { eventType: "payment_intent.succeeded", ...over }));
}
