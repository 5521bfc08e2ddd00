import { expect, test } from "vitest";
import type { Certificates } from "../certificates/certificates.ts";
import { createKeepingStore, sample } from "../testing/snapshots.ts";
import { reverify } from "./reverify.ts";

const receivedTime = new Date("2026-01-02T03:04:05Z");
const { endpoint, body, sign } = sample("paypal-0");
const signed = sign(receivedTime)!;

test("what a provider signed with a certificate leaves the quarantine with that certificate", async () => {
  const asked: string[] = [];
  const { certificate } = signed;
  const { store, stored } = createKeepingStore();
  const get: Certificates["get"] = async (url) => {
    asked.push(url);
    return { certificate: certificate! };
  };
  const again = await reverify({ store, certificates: { get } }, endpoint, kept(), receivedTime);
  expect(again.kind).toBe("stored");
  expect(stored).toHaveLength(1);
  expect(asked).toEqual([signed.headers["paypal-cert-url"]]);
});

test("a certificate that cannot be had now is no word against a request", async () => {
  const { store, stored } = createKeepingStore();
  const problem = (kind: "refused" | "unreachable"): Certificates => ({
    get: async () => ({ problem: kind, detail: "it was answered 503" }),
  });
  const away = { store, certificates: problem("unreachable") };
  expect(await reverify(away, endpoint, kept(), receivedTime)).toEqual({
    kind: "certificate-away",
    detail: "it was answered 503",
  });
  const refused = { store, certificates: problem("refused") };
  expect((await reverify(refused, endpoint, kept(), receivedTime)).kind).toBe("refused");
  expect(stored).toEqual([]);
});

function kept() {
  const headers = Object.entries(signed.headers).map(([name, value]) => ({ name, value }));
  return { headers, contentType: "application/json", query: undefined, body };
}
