// `bursar replay`: handles stored webhooks again, one or all that a filter
// selects, and says how far it is.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { toJson } from "@bufbuild/protobuf";
import {
  type Replay,
  ReplayDeliveryResponseSchema,
  ReplaySchema,
  ReplayState,
  ReplayStateSchema,
} from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { type Command, type ExitCode, Misuse, readArgs, say, sayJson } from "./command.ts";
import { filterOptions, filterUsage, lineOf, readFilter } from "./deliveries.ts";
import { type Deliveries, withDeliveries } from "./gateway-client.ts";

export const replay: Command = {
  summary: "handle stored webhooks again; nothing counts twice",
  usage: `<webhook id> | --all | [filter]

${filterUsage}
  --all          everything that is stored
  --request-id   the same again starts nothing new (default: a new one)
  --no-wait      start it, and leave it to the gateway
  --json         progress, one line each`,

  async run(args, signal) {
    const { values, positionals } = readArgs(args, {
      ...filterOptions,
      all: { type: "boolean", default: false },
      "request-id": { type: "string" },
      "no-wait": { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    });
    const [webhookId, ...others] = positionals;
    const filtered = Object.keys(filterOptions).some((name) => Object.hasOwn(values, name));
    const ways = [webhookId !== undefined, values.all, filtered].filter(Boolean).length;
    if (others.length > 0 || ways !== 1)
      throw new Misuse("name one webhook, or a filter, or --all");
    if (webhookId !== undefined) return replayOne(webhookId, values.json);
    return withDeliveries(async (rpc) => {
      const requestId = values["request-id"] ?? randomUUID();
      const { replay: started } = await rpc.createReplay({ requestId, filter: readFilter(values) });
      if (started === undefined) throw new Error("the gateway answered without a replay");
      if (!values["no-wait"]) return follow(rpc, started, values.json, signal);
      report(started, values.json);
      return 0;
    });
  },
};

async function replayOne(webhookId: string, json: boolean): Promise<ExitCode> {
  const result = await withDeliveries((rpc) => rpc.replayDelivery({ webhookId }));
  if (json) {
    sayJson(toJson(ReplayDeliveryResponseSchema, result));
    return 0;
  }
  if (result.delivery) say(lineOf(result.delivery));
  say(result.changed ? "it came out otherwise than before" : "it came out as before");
  return 0;
}

const pauseMs = 500;

async function follow(
  rpc: Deliveries,
  started: Replay,
  json: boolean,
  signal: AbortSignal,
): Promise<ExitCode> {
  const { replayId } = started;
  let now = started;
  report(now, json);
  while (now.state === ReplayState.RUNNING) {
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) {
      console.error(`replay ${replayId} goes on at the gateway`);
      return 0;
    }
    const before = now.handled;
    now = (await rpc.getReplay({ replayId })).replay ?? now;
    if (now.handled !== before || now.state !== ReplayState.RUNNING) report(now, json);
  }
  return now.state === ReplayState.DONE && now.missing === 0n ? 0 : 1;
}

function report(it: Replay, json: boolean): void {
  if (json) {
    sayJson(toJson(ReplaySchema, it));
    return;
  }
  const missing = it.missing > 0n ? `, ${it.missing} without bytes` : "";
  const state = (ReplayStateSchema.value[it.state]?.localName ?? String(it.state)).toLowerCase();
  say(`${it.replayId}  ${state}: ${it.handled} of ${it.selected}, ${it.changed} changed${missing}`);
}
