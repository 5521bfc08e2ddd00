import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { now, requestOf, verifyWith } from "../testing/requests.ts";
import { slack } from "./slack.ts";

// Slack's documented example, which no package carries as an oracle.
const secret = "8f742231b10e8888abcd99yyyzzz85a5";
const time = now.getTime() / 1000;
const body = '{"type":"event_callback","event_id":"Ev1","event":{"type":"team_join"}}';
const signed = (at = time, bytes = body) =>
  `v0=${createHmac("sha256", secret).update(`v0:${at}:${bytes}`).digest("hex")}`;
const check = (written?: string, at: string | number = time) => {
  const headers = { "x-slack-signature": written, "x-slack-request-timestamp": String(at) };
  return verifyWith(slack, secret, body, headers);
};

test("a signature made from the documentation verifies", () => {
  expect(check(signed())).toMatchObject({ verified: true, signedTime: now });
});

test.each<[string, string | undefined, string | number, string]>([
  ["no header", undefined, time, "header-missing"],
  ["another version", signed().replace("v0", "v1"), time, "header-malformed"],
  ["a truncated signature", signed().slice(0, -1), time, "header-malformed"],
  ["another time", signed(), time + 1, "signature-mismatch"],
  ["a time as text", signed(), "2023-11-14T22:13:20Z", "timestamp-malformed"],
  ["a time with letters", signed(), `${time}abc`, "timestamp-malformed"],
  ["an old time", signed(time - 301), time - 301, "timestamp-too-old"],
  // Slack's own bolt looks at the past only.
  ["a time ahead", signed(time + 301), time + 301, "timestamp-too-new"],
])("refuses: %s", (_, written, at, rejection) => {
  expect(check(written, at)).toEqual({ verified: false, rejection });
});

test("id and type come from the signed body", () => {
  expect(slack.identify(requestOf(body, {}))).toEqual({ eventId: "Ev1", eventType: "team_join" });
});

test("a challenge is given back as plain text, and nothing that could be markup", () => {
  const ask = (challenge: string, type = "url_verification") =>
    slack.challenge?.(
      {
        ...requestOf(JSON.stringify({ type, challenge }), {}),
        method: "POST",
        query: new URLSearchParams(),
      },
      { keys: [], now, toleranceMs: 0 },
    );
  expect(ask("3eZbrw1a")).toEqual({ status: 200, body: "3eZbrw1a", contentType: "text/plain" });
  expect(ask("<script>")).toBeUndefined();
  expect(ask("3eZbrw1a", "event_callback")).toBeUndefined();
});

test.each(["", "short", "xoxb-0123456789-0123456789"])(
  "an unfit secret is refused: %j",
  (unfit) => {
    expect(slack.parseKey(unfit)).toHaveProperty("unusable");
  },
);
