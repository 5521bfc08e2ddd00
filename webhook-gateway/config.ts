// The gateway's configuration from its environment. The endpoints themselves are
// in a file of their own, see endpoints.ts.

import {
  type Env,
  type EnvReader,
  readBrokerConfig,
  readDatabaseConfig,
  readEnv,
  readMeshConfig,
  readTelemetryConfig,
} from "#mesh/process/config.ts";
import { isLoopback } from "./door/addresses.ts";

export const service = "webhook-gateway";

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
        ...readListener(read),
        port: read.integer("DOOR_PORT", { min: 0, max: 65_535, fallback: 0 }),
        connectionsMax: read.integer("DOOR_CONNECTIONS_MAX", {
          min: 1,
          max: 100_000,
          fallback: 16_384,
        }),
        /** Later than the body's own timeout, so that a slow sender still gets an answer. */
        requestTimeoutMs: bodyTimeoutMs + 10_000,
        drainTimeoutMs: mesh.drainTimeoutMs,
      },
      /** Processes that share the door; none: it is in the process of the desk. */
      doorWorkers: read.integer("DOOR_WORKERS", { min: 0, max: 64, fallback: 0 }),
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
      /** Where webhooks wait on this machine while the broker is away; undefined: they do not. */
      spoolDir: read.optional("SPOOL_DIR"),
      /** Of webhooks, for each process that holds a door. */
      spoolBytesMax: read.integer("SPOOL_BYTES_MAX", {
        min: mebibyte,
        max: 1_048_576 * mebibyte,
        fallback: 1_024 * mebibyte,
      }),
      /** Where the provider itself waits longer: see `Patience`. */
      publishTimeoutMs: read.integer("DOOR_PUBLISH_TIMEOUT_MS", {
        min: 100,
        max: 60_000,
        fallback: 8_000,
      }),
    };
  });
}

/** Without a certificate the door speaks plain HTTP, and only to a proxy on its own machine. */
function readListener(read: EnvReader) {
  const host = read.text("DOOR_HOST", "127.0.0.1");
  const certFile = read.optionalFile("DOOR_TLS_CERT_FILE");
  const keyFile = read.optionalFile("DOOR_TLS_KEY_FILE");
  if ((certFile === undefined) !== (keyFile === undefined)) {
    read.problems.push("DOOR_TLS_CERT_FILE and DOOR_TLS_KEY_FILE must both be set, or neither");
  } else if (certFile === undefined && host !== "localhost" && !isLoopback(host)) {
    read.problems.push(
      `DOOR_HOST ${host} is not loopback: set DOOR_TLS_CERT_FILE and DOOR_TLS_KEY_FILE, ` +
        "or listen on 127.0.0.1 behind a proxy",
    );
  }
  return { host, certFile, keyFile };
}
