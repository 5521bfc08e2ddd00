// The Postgres driver, mended while it is loaded. Release 3.4.9 of `postgres` uses a connection
// again after its socket closed, with what the old session left behind: bytes that were not sent,
// errors, even SQL transactions whose work still runs and then writes into somebody else's. It also
// throws where nobody can catch it (porsager/postgres#1154, #1208). Here a connection that closed is
// never used again. Everything imports the driver from this file.

import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

type Repair = readonly [broken: string, mended: string];

const repairs: Readonly<Record<string, readonly Repair[]>> = {
  "index.js": [
    [
      `    move(c, closed)
    c.reserved = null
    c.onclose && (c.onclose(e), c.onclose = null)`,
      `    c.dead = true
    c.execute = q => (q.reject(e), true)
    c.reserved = null
    c.queue.remove(c)
    c.queue = ended
    ending || (connections[connections.indexOf(c)] = Connection(options, queues, { onopen, onend, onclose }))
    c.onclose && (c.onclose(e), c.onclose = null)`,
    ],
    [
      "    queries.length && connect(c, queries.shift())",
      "    queries.length && closed.length && connect(closed.shift(), queries.shift())",
    ],
    [
      `  function onopen(c) {
    if (queries.length === 0)`,
      `  function onopen(c) {
    if (c.dead)
      return

    if (queries.length === 0)`,
    ],
  ],
  "connection.js": [
    [
      "    const x = socket.write(chunk, fn)\n",
      "    const x = socket === null || socket.write(chunk, fn)\n",
    ],
    [
      "    `], [], execute)\n    types.forEach",
      "    `], [], execute).catch(() => [])\n    types.forEach",
    ],
    [
      "    if (initial)\n      return reconnect()\n\n    !hadError && (query",
      "    if (initial && options.host[retries + 1])\n      return reconnect()\n\n    ;(initial || query",
    ],
  ],
};

const mended = new Set<string>();

registerHooks({
  load(url, context, nextLoad) {
    const file = /\/node_modules\/postgres\/src\/(\w+\.js)$/.exec(url)?.[1] ?? "";
    const list = repairs[file];
    if (list === undefined) return nextLoad(url, context);
    let source = readFileSync(fileURLToPath(url), "utf8");
    for (const [broken, whole] of list) {
      if (source.split(broken).length !== 2) {
        throw new Error(`${url} is not the release that mesh/database/driver.ts can mend`);
      }
      source = source.replace(broken, () => whole);
    }
    mended.add(file);
    return { format: "module", source, shortCircuit: true };
  },
});

export const { default: postgres } = await import("postgres");

if (mended.size !== Object.keys(repairs).length) {
  throw new Error("import the driver from mesh/database/driver.ts, never from postgres");
}
