// What verifying costs, for every registered provider: CPU time of the door's whole
// judgement of a 2 KB webhook, against the bare cryptographic operation on the same
// bytes. Alone: node bench/verify.ts

import {
  createHmac,
  generateKeyPairSync,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
} from "node:crypto";
import { bold, table } from "#dev/terminal.ts";
import {
  authenticate,
  type Received,
  readRequest,
  trustOf,
} from "../webhook-gateway/authenticate.ts";
import { type Mutable, mutable } from "../webhook-gateway/testing/mutable.ts";
import { providerSamples, type Sample } from "../webhook-gateway/testing/provider-samples.ts";
import { cpuMicros, median } from "./mesh/worker.ts";

const bodyBytes = 2_048;
const rounds = 7;
const operations = 4_000;
const now = new Date();

export type VerifyResult = {
  readonly provider: string;
  readonly algorithm: string;
  readonly bodyBytes: number;
  readonly verifyMicros: number;
  /** Undefined where nothing is signed. */
  readonly bareMicros: number | undefined;
};

export function benchVerify(): readonly VerifyResult[] {
  return providerSamples().map((sample) => {
    const long = longer(sample.body);
    const signLong = (at: Date) => {
      const [key] = sample.endpoint.secrets;
      const about = { body: long, now: at, eventId: "evt_sample" };
      return key && sample.endpoint.provider.sign({ key: key.bytes, ...about });
    };
    // What signs only what it knows cannot be padded: it keeps its own body.
    const padded = accepted({ ...sample, body: long, sign: signLong });
    return measure(sample.name, padded ?? mutable(sample, now));
  });
}

function accepted(sample: Sample): Mutable | undefined {
  try {
    return mutable(sample, now);
  } catch {
    return undefined;
  }
}

function measure(provider: string, one: Mutable): VerifyResult {
  const algorithm = judge(one);
  if (algorithm === undefined) throw new Error(`${provider} does not accept what it signed`);
  const { body } = one.request;
  const bare = bareOperation(algorithm, body);
  const [ours, theirs]: [number[], number[]] = [[], []];
  // The first round warms up and does not count.
  for (let round = 0; round <= rounds; round += 1) {
    const verifyMicros = microsEach(() => judge(one));
    const bareMicros = bare === undefined ? Number.NaN : microsEach(bare);
    if (round === 0) continue;
    ours.push(verifyMicros);
    theirs.push(bareMicros);
  }
  return {
    provider,
    algorithm,
    bodyBytes: body.byteLength,
    verifyMicros: median(ours),
    bareMicros: bare && median(theirs),
  };
}

/** As the door does it: headers read, keys chosen, the provider's rules. The algorithm, if accepted. */
function judge({ endpoint, certificate, request }: Mutable): string | undefined {
  const received: Received = { ...request, contentType: "", receivedTime: now };
  const read = readRequest(endpoint, received);
  const named = endpoint.provider.certificateUrl?.(read) !== undefined;
  const verified = authenticate(
    endpoint,
    read,
    trustOf(endpoint, now, named ? certificate : undefined),
  );
  if (!verified.verified) return undefined;
  return verified.algorithm ?? endpoint.provider.algorithm;
}

function microsEach(operation: () => unknown): number {
  const before = cpuMicros();
  for (let n = 0; n < operations; n += 1) operation();
  return (cpuMicros() - before) / operations;
}

/** One signature of one key over the body, compared or verified: nothing is read or decoded. */
function bareOperation(algorithm: string, body: Uint8Array): (() => boolean) | undefined {
  const [, hash] = /^hmac-(sha\d+)$/.exec(algorithm) ?? [];
  if (hash !== undefined) {
    const key = randomBytes(32);
    const mac = createHmac(hash, key).update(body).digest();
    return () => timingSafeEqual(createHmac(hash, key).update(body).digest(), mac);
  }
  if (algorithm === "ed25519") {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const signature = sign(null, body, privateKey);
    return () => verify(null, body, publicKey, signature);
  }
  if (algorithm === "rsa-sha256") {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
    const signature = sign("sha256", body, privateKey);
    return () => verify("sha256", body, publicKey, signature);
  }
  return undefined;
}

/** With a member that means nothing, so that it is as long as a real one. */
function longer(body: Uint8Array): Buffer {
  const text = Buffer.from(body).toString();
  const padding = "x".repeat(Math.max(0, bodyBytes - text.length - 14));
  const brace = text.indexOf("{");
  if (brace !== 0) return Buffer.from(`${text}&padding=${padding}`);
  return Buffer.from(`{"padding":"${padding}",${text.slice(1)}`);
}

export function printVerify(results: readonly VerifyResult[]): void {
  console.log(bold("\nCPU time of verifying a webhook, and of the bare operation on its body"));
  console.log(
    table(
      ["provider", "algorithm", "bytes", "µs", "bare µs", "ratio"],
      results.map(({ provider, algorithm, bodyBytes, verifyMicros, bareMicros }) => [
        provider,
        algorithm,
        String(bodyBytes),
        verifyMicros.toFixed(1),
        bareMicros?.toFixed(1) ?? "",
        bareMicros ? `×${(verifyMicros / bareMicros).toFixed(2)}` : "",
      ]),
    ),
  );
}

if (process.argv[1]?.endsWith("/verify.ts")) printVerify(benchVerify());
