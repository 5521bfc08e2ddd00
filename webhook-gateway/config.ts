// The gateway's configuration from its environment. The endpoints themselves are
// in a file of their own, see endpoints.ts.

import {
  type Env,
  readBrokerConfig,
  readDatabaseConfig,
  readEnv,
  readMeshConfig,
  readTelemetryConfig,
} from "#mesh/process/config.ts";

export type Config = ReturnType<typeof readConfig>;

const mebibyte = 1024 ** 2;

export function readConfig(env: Env) {
  return readEnv(env, (read) => {
    const mesh = readMeshConfig(read);
    const bodyTimeoutMs = read.integer("DOOR_BODY_TIMEOUT_MS", {
      min: 100,
      max: 60_000,
      fallback: 10_000,
    });
    return {
      mesh,
      telemetry: readTelemetryConfig(read),
      database: readDatabaseConfig(read),
      broker: readBrokerConfig(read),
      /** `bursar.webhook.v1.GatewayConfig` as JSON or YAML. */
      endpointsFile: read.file("ENDPOINTS_FILE"),
      door: {
        host: read.text("DOOR_HOST", "127.0.0.1"),
        port: read.integer("DOOR_PORT", { min: 0, max: 65_535, fallback: 0 }),
        certFile: read.file("DOOR_TLS_CERT_FILE"),
        keyFile: read.file("DOOR_TLS_KEY_FILE"),
        connectionsMax: read.integer("DOOR_CONNECTIONS_MAX", {
          min: 1,
          max: 100_000,
          fallback: 16_384,
        }),
        /** Later than the body's own timeout, so that a slow sender still gets an answer. */
        requestTimeoutMs: bodyTimeoutMs + 10_000,
        drainTimeoutMs: mesh.drainTimeoutMs,
      },
      bodyTimeoutMs,
      load: {
        requestsMax: read.integer("DOOR_IN_FLIGHT_MAX", {
          min: 1,
          max: 1_000_000,
          fallback: 16_384,
        }),
        bytesMax: read.integer("DOOR_IN_FLIGHT_BYTES_MAX", {
          min: mebibyte,
          max: 16_384 * mebibyte,
          fallback: 128 * mebibyte,
        }),
      },
      /** Below what providers wait: the shortest that is documented here waits 10 s. */
      publishTimeoutMs: read.integer("DOOR_PUBLISH_TIMEOUT_MS", {
        min: 100,
        max: 60_000,
        fallback: 8_000,
      }),
    };
  });
}
