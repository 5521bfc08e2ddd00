// The webhook gateway as a process: the one that the operator starts, or one of its workers.

import cluster from "node:cluster";
import { startProcess } from "#mesh/process/start.ts";

await startProcess(() => (cluster.isWorker ? import("./workers/worker.ts") : import("./app.ts")));
