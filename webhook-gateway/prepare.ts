// What the gateway makes ready in the background, for as long as it takes: its
// streams, and its schema with the desk behind it. The door is open meanwhile.

import { setTimeout as sleep } from "node:timers/promises";
import { migrate } from "#mesh/database/migrate.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import type { Log } from "#mesh/process/log.ts";

const pauseMsMax = 10_000;

export function prepareStreams({ broker, log }: { broker: Broker; log: Log }): AsyncDisposable {
  return untilDone("the streams", log, async () => {
    if (!(await broker.waitUntilConnected(1_000))) return false;
    for (const name of broker.streams.keys()) await ensureStream(broker, name);
    return true;
  });
}

/** Migrates with the owner's URL, then starts what needs the schema; both end with this. */
export function prepareDatabase(
  { url, log }: { readonly url: string; readonly log: Log },
  start: () => AsyncDisposable,
): AsyncDisposable {
  const stack = new AsyncDisposableStack();
  const migrations = new URL("./migrations/", import.meta.url);
  const preparing = untilDone("the database", log, async () => {
    await migrate({ url, schema: "gateway", migrations, log, waitMs: 0 });
    stack.use(start());
    return true;
  });
  return {
    async [Symbol.asyncDispose]() {
      await preparing[Symbol.asyncDispose]();
      await stack.disposeAsync();
    },
  };
}

/** Tries until the work says it is done; a failure is logged and tried again, ever more rarely. */
function untilDone(what: string, log: Log, work: () => Promise<boolean>): AsyncDisposable {
  const stopping = new AbortController();
  const running = (async () => {
    for (let attempt = 0; !stopping.signal.aborted; attempt++) {
      try {
        if (await work()) return;
      } catch (error) {
        log.warn(`${what} cannot be prepared yet`, { error });
      }
      const pauseMs = Math.min(pauseMsMax, 200 * 2 ** attempt) * (0.5 + Math.random() / 2);
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await running;
    },
  };
}
