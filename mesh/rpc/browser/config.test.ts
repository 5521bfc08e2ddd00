import { expect, test } from "vitest";
import { ConfigError, readEnv } from "../../process/config.ts";
import { readBrowserConfig } from "./config.ts";

const file = import.meta.filename;
const env = {
  BROWSER_PORT: "8443",
  BROWSER_ORIGINS: "https://school.example, http://localhost:5173",
  BROWSER_TLS_CERT_FILE: file,
  BROWSER_TLS_KEY_FILE: file,
};

function configOf(over: Readonly<Record<string, string>>, jwksFile: string | undefined = file) {
  return readEnv({ ...env, ...over }, (read) => readBrowserConfig(read, jwksFile));
}

test("without a port nobody listens, whatever else is set", () => {
  expect(configOf({ BROWSER_PORT: "" })).toBeUndefined();
});

test("origins are a list", () => {
  expect(configOf({})).toEqual({
    host: "127.0.0.1",
    port: 8443,
    origins: ["https://school.example", "http://localhost:5173"],
    tls: { certFile: file, keyFile: file },
  });
});

test.each([
  ["*", "name the pages"],
  ["https://*.school.example", "name the pages"],
  ["null", "an origin is"],
  ["https://school.example/", "an origin is"],
  ["https://School.example", "an origin is"],
  ["https://school.example:443", "an origin is"],
  ["school.example", "an origin is"],
  ["file:///index.html", "an origin is"],
  ["http://school.example", "https"],
  ["http://localhost.evil.example", "https"],
])("the origin %s is refused", (origin, problem) => {
  expect(() => configOf({ BROWSER_ORIGINS: origin })).toThrow(new RegExp(problem));
});

test("a browser needs its user's token, so keys must be known", () => {
  const config = () => readEnv(env, (read) => readBrowserConfig(read, undefined));
  expect(config).toThrow(/BROWSER_PORT needs JWKS_FILE/);
});

test("what is missing is said at once", () => {
  const config = () =>
    configOf({ BROWSER_ORIGINS: "", BROWSER_TLS_CERT_FILE: "", BROWSER_PORT: "70000" });
  expect(config).toThrow(ConfigError);
  expect(config).toThrow(/BROWSER_PORT.*BROWSER_ORIGINS.*BROWSER_TLS_CERT_FILE/);
});
