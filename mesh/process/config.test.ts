import { expect, test } from "vitest";
import {
  ConfigError,
  type Env,
  readBrokerConfig,
  readDatabaseConfig,
  readEnv,
  readMeshConfig,
  readTelemetryConfig,
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

test.each<[string, Env, unknown]>([
  [
    "a password alone",
    { NATS_URL: "nats://x@b", NATS_PASSWORD_FILE: file },
    { passwordFile: file },
  ],
  ["credentials alone", { NATS_URL: "nats://b", NATS_CREDENTIALS_FILE: file }, { tls: undefined }],
  ["TLS by the address", { NATS_URL: "tls://b" }, { url: "tls://b", tls: undefined }],
  ["an authority", { NATS_URL: "nats://b", NATS_CA_FILE: file }, { tls: { caFile: file } }],
  ["several addresses", { NATS_URL: "nats://x@a:1, nats://b:2" }, { passwordFile: undefined }],
])("the broker is reached with %s", (_name, env, expected) => {
  expect(readEnv(env, readBrokerConfig)).toMatchObject(expected as object);
});

test.each<[Env, string]>([
  [{ NATS_URL: "nats://x:secret@b", NATS_PASSWORD_FILE: file }, "NATS_PASSWORD_FILE needs a user"],
  [{ NATS_URL: "nats://b", NATS_PASSWORD_FILE: file }, "NATS_PASSWORD_FILE needs a user"],
  [{ NATS_URL: "nats://x@b", NATS_CREDENTIALS_FILE: file }, "NATS_CREDENTIALS_FILE stands alone"],
  [
    { NATS_URL: "nats://b", NATS_CERT_FILE: file },
    "NATS_CERT_FILE and NATS_KEY_FILE come together",
  ],
  [{ NATS_URL: "nats://a,b c" }, "NATS_URL is not a URL"],
])("what contradicts itself about the broker is said: %j", (env, problem) => {
  const problems = problemsOf(() => readEnv(env, readBrokerConfig));
  expect(problems).toEqual([expect.stringContaining(problem)]);
  expect(problems.join()).not.toContain("secret");
});

test("what is not set has a default where one is safe", () => {
  expect(readEnv(tls, readMeshConfig)).toMatchObject({
    host: "127.0.0.1",
    port: 0,
    jwksFile: undefined,
    logLevel: "info",
    drainTimeoutMs: 10_000,
    validateResponses: "count",
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

test("a collector is named by OpenTelemetry's variables, base or whole", () => {
  expect(readEnv({}, readTelemetryConfig)).toEqual({
    tracesUrl: undefined,
    sampler: "parentbased_always_on",
    sampledRatio: 1,
  });
  const base = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/" };
  expect(readEnv(base, readTelemetryConfig).tracesUrl).toBe("http://collector:4318/v1/traces");
  const whole = { ...base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://other/spans" };
  expect(readEnv(whole, readTelemetryConfig).tracesUrl).toBe("https://other/spans");
  const wrong = {
    OTEL_EXPORTER_OTLP_ENDPOINT: "collector",
    OTEL_TRACES_SAMPLER: "sometimes",
    OTEL_TRACES_SAMPLER_ARG: "1.5",
  };
  expect(() => readEnv(wrong, readTelemetryConfig)).toThrow(
    /ENDPOINT is not a URL; .*SAMPLER must be one of.*; .*ARG must be a number from 0 to 1/,
  );
});
