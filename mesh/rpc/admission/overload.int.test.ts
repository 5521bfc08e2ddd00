import { type ClientHttp2Session, connect } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import type { HandlerContext } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { readTls } from "../../identity/tls.ts";
import { send, startEchoServer, type Untyped } from "../../testing/echo-server.ts";
import { exchange } from "../../testing/exchange.ts";

const kinds = { critical: "Settle", interactive: "Echo", bulk: "Export" } as const;
type Kind = keyof typeof kinds;
type Counts = Record<Kind, Record<string, number>>;

test("a server with five times the calls it can do answers the urgent ones, and comes back", async () => {
  const [hands, takesMs] = [4, 20];
  const work = createWork(hands, takesMs);
  const handle = (request: Untyped, context: HandlerContext) => work.run(request, context);
  await using server = await startEchoServer(
    { echo: handle, settle: handle, export: handle },
    { config: { concurrencyMax: 300, logLevel: "silent" } },
  );
  const tls = readTls(await server.certificates.identity("test-client"));
  const sessions = Array.from({ length: 8 }, () => connect(server.url, tls));
  const ask = (kind: Kind, place: number) => askOnce(sessions[place % sessions.length]!, kind);

  await Promise.all(sessions.map((_session, place) => ask("bulk", place)));

  // As many callers as connections, one call after the other: what can be done here and now.
  const startedAt = performance.now();
  let alone = 0;
  await Promise.all(
    sessions.map(async (_session, place) => {
      while (performance.now() - startedAt < 600) {
        if ((await ask("bulk", place)) === "ok") alone += 1;
      }
    }),
  );
  const measured = alone / (performance.now() - startedAt);
  // Other tests may have slowed that: what is poured comes from what the handler could do at most.
  const capacity = hands / takesMs;

  const flood = { critical: 0.2, interactive: 0.2, bulk: 4.6 };
  await pour(ask, capacity, flood, 2_000);
  const { counts, tookMs } = await pour(ask, capacity, flood, 1_500);
  const answered = (kind: Kind) => counts[kind]["ok"] ?? 0;
  const share = (kind: Kind) => answered(kind) / sum(counts[kind]);
  expect(share("critical")).toBeGreaterThan(0.9);
  expect(share("interactive")).toBeGreaterThan(0.8);
  expect(share("bulk")).toBeLessThan(0.5);
  const goodput = (answered("critical") + answered("interactive") + answered("bulk")) / tookMs;
  expect(goodput / measured).toBeGreaterThan(0.6);
  expect(counts.bulk["unavailable OVERLOADED"]).toBeGreaterThan(0.5 * sum(counts.bulk));

  const after = await pour(ask, capacity, { critical: 0.1, interactive: 0.1, bulk: 0.3 }, 700);
  expect(sum(after.counts.bulk)).toBeGreaterThan(10);
  const again = await pour(ask, capacity, { critical: 0.1, interactive: 0.1, bulk: 0.3 }, 400);
  expect(Object.keys(again.counts.bulk)).toEqual(["ok"]);

  const metrics = (await send(server, "/metrics")).body.toString();
  expect(metrics).toMatch(/bursar_rpc_shed_total\{[^}]*rate_class="bulk",reason="concurrency"/);
  expect(Number(/bursar_rpc_concurrency_limit\{.*\} (\d+)/.exec(metrics)?.[1])).toBeLessThan(300);
  for (const session of sessions) session.destroy();
}, 30_000);

/** As many calls a millisecond as it can do, times the factor of their kind, come what may. */
async function pour(
  ask: (kind: Kind, place: number) => Promise<string>,
  capacity: number,
  factors: Readonly<Record<Kind, number>>,
  forMs: number,
) {
  const counts: Counts = { critical: {}, interactive: {}, bulk: {} };
  const asked: Promise<void>[] = [];
  const sent: Record<Kind, number> = { critical: 0, interactive: 0, bulk: 0 };
  const startedAt = performance.now();
  for (let elapsedMs = 0; elapsedMs < forMs; elapsedMs = performance.now() - startedAt) {
    for (const kind of Object.keys(kinds) as Kind[]) {
      for (const due = elapsedMs * capacity * factors[kind]; sent[kind] < due; sent[kind]++) {
        const note = (outcome: string) => {
          counts[kind][outcome] = (counts[kind][outcome] ?? 0) + 1;
        };
        asked.push(ask(kind, sent[kind]).then(note));
      }
    }
    await sleep(5);
  }
  await Promise.all(asked);
  return { counts, tookMs: performance.now() - startedAt };
}

async function askOnce(session: ClientHttp2Session, kind: Kind): Promise<string> {
  const path = `/bursar.testing.v1.EchoService/${kinds[kind]}`;
  const headers = { "content-type": "application/proto" };
  return (await exchange(session, { path, headers })).outcome;
}

/** So many hands, each taking so long; who has left by then costs nothing. */
function createWork(hands: number, takesMs: number) {
  let free = hands;
  const waiting: (() => void)[] = [];
  return {
    async run({ text }: Untyped, { signal }: HandlerContext) {
      if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      else free -= 1;
      if (!signal.aborted) await sleep(takesMs);
      const next = waiting.shift();
      if (next) next();
      else free += 1;
      return { text };
    },
  };
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
