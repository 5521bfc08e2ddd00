// What a service reads from its environment: what everybody needs, and what comes with a database
// or with events where it declares them. Names and defaults are in mesh/process/config.ts.

import {
  type Env,
  readBrokerConfig,
  readDatabaseConfig,
  readEnv,
  readMeshConfig,
  readTelemetryConfig,
} from "../process/config.ts";

export type ServiceConfig = ReturnType<typeof readServiceConfig>;

export function readServiceConfig(
  env: Env,
  needs: { readonly database: boolean; readonly broker: boolean },
) {
  return readEnv(env, (read) => ({
    mesh: readMeshConfig(read),
    telemetry: readTelemetryConfig(read),
    database: needs.database ? readDatabaseConfig(read) : undefined,
    broker: needs.broker ? readBrokerConfig(read) : undefined,
  }));
}
