// The gateway's DeliveryService with the developer's identity, and its refusals
// as answers for people.

import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { DeliveryService } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { openClient } from "#mesh/rpc/client.ts";
import { Misuse, Unreachable } from "./command.ts";
import { readSurroundings } from "./surroundings.ts";

export type Deliveries = Client<typeof DeliveryService>;

/** Refusals become Misuse, and a gateway that is away Unreachable. */
export async function withDeliveries<T>(work: (rpc: Deliveries) => Promise<T>): Promise<T> {
  const { need } = readSurroundings(process.env, process.cwd());
  const url = need("BURSAR_GATEWAY_ADMIN_URL");
  const tls = {
    caFile: need("BURSAR_CA"),
    certFile: need("BURSAR_CERT"),
    keyFile: need("BURSAR_KEY"),
  };
  await using client = openClient(DeliveryService, { url, tls, timeoutMs: 20_000 });
  try {
    return await work(client.rpc);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const away = error.code === Code.Unavailable || error.code === Code.DeadlineExceeded;
    if (away) throw new Unreachable(`${url} does not answer: ${error.rawMessage}`);
    throw new Misuse(`the gateway refuses: ${error.rawMessage}`);
  }
}
