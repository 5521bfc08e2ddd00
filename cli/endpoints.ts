// `bursar endpoints check`: what the gateway will say of its configuration, said
// before it is deployed: every problem at once, and for each endpoint how it
// verifies, how it answers and whether it spools.

import { ConfigError } from "#mesh/process/config.ts";
import { type Endpoint, readEndpoints } from "../webhook-gateway/endpoints.ts";
import { type Command, type ExitCode, Misuse, readArgs, say, sayJson } from "./command.ts";
import { endpointsFileOf } from "./endpoints-file.ts";
import { readSurroundings } from "./surroundings.ts";

export const endpoints: Command = {
  summary: "check a configuration of endpoints as the gateway would",
  usage: `check [FILE] [options]

  FILE     the configuration (default: BURSAR_ENDPOINTS_FILE)
  --json   {"ok": …, "problems": […], "endpoints": […]}

Secrets are read from where the file says, and every key signs and verifies a sample.
Exit code 1 when the gateway would refuse the file.`,

  async run(args) {
    const { values, positionals } = readArgs(args, { json: { type: "boolean", default: false } });
    const [verb, given, ...others] = positionals;
    if (verb !== "check" || others.length > 0) throw new Misuse("the only verb is `check`");
    const file = endpointsFileOf(given, readSurroundings(process.env, process.cwd()));
    return check(file, values.json);
  },
};

function check(file: string, json: boolean): ExitCode {
  const now = new Date();
  const read = readOrProblems(file, now);
  if (json) {
    const described = read.endpoints.map((endpoint) => describe(endpoint, now));
    const { problems } = read;
    sayJson({ ok: problems.length === 0, problems, endpoints: described });
  } else {
    for (const problem of read.problems) say(`refused: ${problem}`);
    for (const endpoint of read.endpoints) {
      const it = describe(endpoint, now);
      say(`${it.endpointId}  ${it.provider} account ${it.providerAccount}, ledger ${it.ledgerId}`);
      for (const key of it.keys) say(`  key ${key.fingerprint} ${key.state}`);
      say(`  answers ${it.ack}; while the broker is away: ${it.outage}`);
    }
    if (read.problems.length === 0) say(`${file}: ${read.endpoints.length} endpoints are sound`);
  }
  return read.problems.length === 0 ? 0 : 1;
}

type Read = { readonly endpoints: readonly Endpoint[]; readonly problems: readonly string[] };

function readOrProblems(file: string, now: Date): Read {
  try {
    return {
      endpoints: [...readEndpoints(file, process.env, now).endpoints.values()],
      problems: [],
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { endpoints: [], problems: error.problems };
  }
}

function describe({ provider, secrets, ack, spool, ...endpoint }: Endpoint, now: Date) {
  return {
    endpointId: endpoint.endpointId,
    tenantId: endpoint.tenantId,
    provider: provider.name,
    providerAccount: endpoint.providerAccount,
    ledgerId: endpoint.ledgerId,
    scheme: provider.scheme,
    keys: secrets.map(({ fingerprint, notBeforeMs, notAfterMs }) => ({
      fingerprint,
      state: keyState(notBeforeMs, notAfterMs, now.getTime()),
    })),
    ack: `${ack.status} ${JSON.stringify(ack.body)}`,
    outage: spool ? "spooled and acknowledged" : "503, the provider tries again",
  };
}

function keyState(notBeforeMs: number, notAfterMs: number, nowMs: number): string {
  if (nowMs < notBeforeMs) return `active from ${new Date(notBeforeMs).toISOString()}`;
  if (nowMs >= notAfterMs) return `expired at ${new Date(notAfterMs).toISOString()}`;
  return notAfterMs === Infinity ? "active" : `active until ${new Date(notAfterMs).toISOString()}`;
}
