// Clients of the ledger with the developer's identity, for callers that ask again by themselves.

import type { House } from "#dev/house.ts";
import { AuditService } from "#gen/bursar/ledger/v1/audit_service_pb.ts";
import { HoldService } from "#gen/bursar/ledger/v1/hold_service_pb.ts";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { openClient } from "#mesh/rpc/client.ts";
import type { Clients } from "./ask.ts";

export function openModelClients(
  house: House,
  url: string | readonly string[],
  stack: AsyncDisposableStack,
): Clients {
  const options = { url, tls: house.provision.tls.dev, timeoutMs: 10_000 };
  return {
    ledger: stack.use(openClient(LedgerService, options)).rpc,
    holds: stack.use(openClient(HoldService, options)).rpc,
    audit: stack.use(openClient(AuditService, options)).rpc,
  };
}
