// Declares the streams of the schema on the broker of NATS_URL, as its operator: makes what is
// missing, aligns what differs, shrinks nothing. Safe to repeat.
//   NATS_URL=nats://dev:…@localhost:4222 node dev/declare-streams.ts

import { ConfigError, readBrokerConfig, readEnv } from "#mesh/process/config.ts";
import { declareStreams } from "./declared-streams.ts";
import { allEvents } from "./events.ts";

try {
  const config = readEnv(process.env, readBrokerConfig);
  const names = await declareStreams({ ...config, events: await allEvents() });
  console.log(`declared: ${names.join(", ")}`);
  process.exit(0);
} catch (error) {
  console.error(error instanceof ConfigError ? error.problems.join("\n") : error);
  process.exit(1);
}
