// What the course service reads from its environment. All of it is shared with
// the other services; see mesh/process/config.ts for names and defaults.

import {
  type Env,
  readBrokerConfig,
  readDatabaseConfig,
  readEnv,
  readMeshConfig,
} from "#mesh/process/config.ts";

export type Config = ReturnType<typeof readConfig>;

export function readConfig(env: Env) {
  return readEnv(env, (read) => ({
    mesh: readMeshConfig(read),
    database: readDatabaseConfig(read),
    broker: readBrokerConfig(read),
  }));
}
