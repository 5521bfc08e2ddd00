import { expect, test } from "vitest";
import {
  ConfigError,
  type Env,
  readBrokerConfig,
  readDatabaseConfig,
  readEnv,
  readMeshConfig,
} from "./config.ts";

const file = import.meta.filename;
const tls = { TLS_CA_FILE: file, TLS_CERT_FILE: file, TLS_KEY_FILE: file, ACCESS_FILE: file };

test("every problem is reported at once", () => {
  const env: Env = {
    ...tls,
    PORT: "65536",
    LOG_LEVEL: "loud",
    TLS_KEY_FILE: "/nowhere/key.pem",
    ACCESS_FILE: "",
    DRAIN_TIMEOUT_MS: "1e3",
    DATABASE_URL: "not a url",
  };
  const read = () =>
    readEnv(env, (reader) => ({ ...readMeshConfig(reader), ...readDatabaseConfig(reader) }));
  expect(read).toThrow(ConfigError);
  expect(problemsOf(read)).toEqual([
    "PORT must be a whole number from 0 to 65535, got 65536",
    "TLS_KEY_FILE names a file that cannot be read: /nowhere/key.pem",
    "ACCESS_FILE is not set",
    "LOG_LEVEL must be one of debug, info, warn, error, silent, got loud",
    "DRAIN_TIMEOUT_MS must be a whole number from 0 to 25000, got 1e3",
    "DATABASE_URL is not a URL",
    "DATABASE_OWNER_URL is not set",
  ]);
});

test("what is not set has a default where one is safe", () => {
  expect(readEnv(tls, readMeshConfig)).toMatchObject({
    host: "127.0.0.1",
    port: 0,
    jwksFile: undefined,
    logLevel: "info",
    drainTimeoutMs: 10_000,
  });
});

test("a stream may hold 1 GiB, or what the operator says", () => {
  const bytesMax = (env: Env) => readEnv({ NATS_URL: "nats://b", ...env }, readBrokerConfig);
  expect(bytesMax({}).streamBytesMax).toBe(1024 ** 3);
  expect(bytesMax({ STREAM_BYTES_MAX: "107374182400" }).streamBytesMax).toBe(100 * 1024 ** 3);
  expect(() => bytesMax({ STREAM_BYTES_MAX: "1" })).toThrow(/STREAM_BYTES_MAX/);
});

test("flags are true or false and nothing else", () => {
  const flag = (value: string | undefined) =>
    readEnv({ FLAG: value }, (read) => read.flag("FLAG", true));
  expect([flag("true"), flag("false"), flag(undefined), flag("")]).toEqual([
    true,
    false,
    true,
    true,
  ]);
  expect(() => flag("yes")).toThrow("FLAG must be true or false, got yes");
});

test("a URL that is wrong is not repeated: it may carry a password", () => {
  const env = { DATABASE_URL: "postgres//u:hunter2@h", DATABASE_OWNER_URL: "postgres://h" };
  const problems = problemsOf(() => readEnv(env, readDatabaseConfig));
  expect(problems.join()).not.toContain("hunter2");
});

function problemsOf(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
  }
  return [];
}
