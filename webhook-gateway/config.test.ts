// What the gateway refuses to start with, of its public listener.

import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ConfigError } from "#mesh/process/config.ts";
import { readConfig } from "./config.ts";

const file = fileURLToPath(import.meta.url);

/** What is wrong with the listener; the rest of the configuration is left out on purpose. */
function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.filter((problem) => /^DOOR_(HOST|TLS)/.test(problem));
  }
}

test.each([
  ["loopback, by default", {}],
  ["an address of loopback", { DOOR_HOST: "127.9.9.9" }],
  ["loopback of IPv6", { DOOR_HOST: "::1" }],
  ["the name of loopback", { DOOR_HOST: "localhost" }],
  ["empty files", { DOOR_TLS_CERT_FILE: "", DOOR_TLS_KEY_FILE: "" }],
])("without a certificate the door may listen on %s", (_, env) => {
  expect(problemsOf(env)).toEqual([]);
});

test.each(["0.0.0.0", "::", "192.0.2.1", "gateway.example"])(
  "without a certificate the door does not listen on %s",
  (host) => {
    expect(problemsOf({ DOOR_HOST: host })).toEqual([
      `DOOR_HOST ${host} is not loopback: set DOOR_TLS_CERT_FILE and DOOR_TLS_KEY_FILE, ` +
        "or listen on 127.0.0.1 behind a proxy",
    ]);
    const tls = { DOOR_TLS_CERT_FILE: file, DOOR_TLS_KEY_FILE: file };
    expect(problemsOf({ DOOR_HOST: host, ...tls })).toEqual([]);
  },
);

test("half a certificate is none", () => {
  const half = "DOOR_TLS_CERT_FILE and DOOR_TLS_KEY_FILE must both be set, or neither";
  expect(problemsOf({ DOOR_TLS_CERT_FILE: file })).toEqual([half]);
  expect(problemsOf({ DOOR_TLS_KEY_FILE: file })).toEqual([half]);
});
