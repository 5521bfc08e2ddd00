// Every endpoint proves itself before it is let in: what its key signs must
// verify, and a changed body, another key or another time must not.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { Key, Provider } from "./providers/provider.ts";

const plainBody = Buffer.from('{"id":"evt_self_test","type":"bursar.self_test"}');
const toleranceMs = 300_000;

/** What failed, undefined when nothing did. A key that only verifies is shown a forgery. */
export function selfTest(provider: Provider, key: Key, now: Date): string | undefined {
  const plain = provider.selfTestBody ?? plainBody;
  const other = { bytes: key.bytes.map((byte) => byte ^ 1), fingerprint: key.fingerprint };
  const signed = provider.sign({ key: key.bytes, body: plain, now, eventId: "evt_self_test" });
  if (signed === undefined) return undefined;
  const { headers, body, certificate } = signed;
  const query = signed.query === undefined ? undefined : new URLSearchParams(signed.query);
  const accepts = (bytes: Uint8Array, keys: readonly Key[], at: Date) =>
    provider.verify(
      { body: bytes, header: (name) => headers[name], ...(query && { query }) },
      { keys, now: at, toleranceMs, certificate },
    ).verified;

  if (!accepts(body, [key], now)) return "refused what it had signed itself";
  const tampered = Buffer.from(body);
  tampered[tampered.length - 3]! ^= 1;
  const attested = provider.coverage !== Coverage.ID_TIME;
  if (attested && accepts(tampered, [key], now)) return "accepted a body that was changed";
  if (accepts(body, [other], now)) return "accepted a signature of another key";
  return undefined;
}
