import { expect, test } from "vitest";
import { DeliveryFlag, DeliveryOutcome } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { openTestDatabase } from "#mesh/testing/database.ts";
import { type DeliveryFilter, selectPage } from "./delivery-rows.ts";

const rowCount = 100_000;
const everything: DeliveryFilter = {
  ...{ endpointId: "", eventType: "", eventId: "", provider: "", tenantId: "" },
  outcome: DeliveryOutcome.UNSPECIFIED,
};

test("a page of very many deliveries is read from an index, whatever the filter", async () => {
  const migrations = new URL("./migrations/", import.meta.url);
  await using database = await openTestDatabase({ schema: "gateway", migrations });
  const { pool } = database;
  await pool.unsafe(`
    insert into delivery (webhook_id, endpoint_id, provider, event_type, event_id, received_at,
      outcome, published_events, stream_sequence, tenant_id, flags)
    select 'w' || n, 'e' || n % 50, case when n % 5000 = 0 then 'rare' else 'stripe' end,
      't' || n % 200, 'evt' || n, now() - n * interval '1 second',
      case when n % 1000 = 0 then 3 else 1 end, '{}', n, 'tenant' || n % 20,
      case when n % 500 = 0 then '{6}'::int[] else '{}' end
    from generate_series(1, ${rowCount}) as n`);
  const filters: Partial<DeliveryFilter>[] = [
    {},
    { endpointId: "e7" },
    { eventType: "t7" },
    { eventId: "evt777" },
    { provider: "rare" },
    { outcome: DeliveryOutcome.DEAD },
    { tenantId: "tenant7" },
    { flag: DeliveryFlag.RENAMED },
    { endpointId: "e0", outcome: DeliveryOutcome.DEAD },
  ];
  for (const filter of filters) {
    const page = selectPage(pool, { ...everything, ...filter }, undefined, 51) as unknown as {
      textWith(parameters: unknown[]): string;
    };
    const parameters: string[] = [];
    const text = page.textWith(parameters);
    const lines = await pool.unsafe(`explain ${text}`, parameters);
    const plan = lines.map((line) => line["QUERY PLAN"]).join("\n");
    expect(plan, JSON.stringify(filter)).not.toContain("Seq Scan");
    expect(plan, JSON.stringify(filter)).toContain("Index");
  }
});
