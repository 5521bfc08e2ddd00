// Configuration of the ledger service: what every service reads, and nothing else yet.

import {
  type Env,
  readBrokerConfig,
  readDatabaseConfig,
  readEnv,
  readMeshConfig,
  readTelemetryConfig,
} from "#mesh/process/config.ts";

export type Config = ReturnType<typeof readConfig>;

export function readConfig(env: Env) {
  return readEnv(env, (read) => ({
    mesh: readMeshConfig(read),
    telemetry: readTelemetryConfig(read),
    database: readDatabaseConfig(read),
    broker: readBrokerConfig(read),
  }));
}
