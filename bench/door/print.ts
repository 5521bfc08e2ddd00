// The door's figures as tables for a person.

import { bold, dim, table } from "#dev/terminal.ts";
import type { DoorResult, Rate, Rates } from "../door.ts";

const count = (value: number) => Math.round(value).toLocaleString("en");
const ratio = (part: number, whole: number) => `×${(part / whole).toFixed(2)}`;
const ms = (value: number) => value.toFixed(1);

export function printDoor({ plain, ceilingPerSecond, tls, bursts, memory }: DoorResult): void {
  if (plain) {
    console.log(bold("\nWebhooks acknowledged a second, each durable (sync_interval: always)"));
    printRates(plain, ceilingPerSecond);
  }
  if (ceilingPerSecond) {
    console.log(dim(`     batches without HTTP: ${count(ceilingPerSecond)} events a second`));
  }
  if (tls) {
    console.log(bold("\nThe same over TLS"));
    printRates(tls, undefined);
  }
  if (bursts) {
    console.log(bold("\nWebhooks that arrive at the same instant"));
    console.log(
      table(
        ["", "webhooks", "acked", "refused", "unanswered", "p50 ms", "p99 ms", "max ms"],
        bursts.map((one) => [
          one.who,
          ...[one.webhooks, one.acked, one.refused, one.unanswered].map(count),
          ...[one.p50Ms, one.p99Ms, one.maxMs].map(ms),
        ]),
      ),
    );
  }
  if (memory) {
    const { loadSeconds, residentMiB, acked, refused, brokerFrozen } = memory;
    console.log(bold(`\nResident MiB of the door, after every ${loadSeconds} s of load`));
    console.log(
      table(
        ["", "acked", "refused", "MiB"],
        [
          ["under load", count(acked), count(refused), residentMiB.join(" ")],
          [
            "while the broker is frozen",
            count(brokerFrozen.acked),
            count(brokerFrozen.refused),
            brokerFrozen.residentMiB.join(" "),
          ],
        ],
      ),
    );
  }
}

function printRates(rates: Rates, ceilingPerSecond: number | undefined): void {
  const naive = rates["naive"] ?? [];
  const row = (who: string, at: Rate, n: number) => [
    String(at.connections),
    who,
    count(at.perSecond),
    ratio(at.perSecond, naive[n]?.perSecond ?? Number.NaN),
    ceilingPerSecond ? ratio(at.perSecond, ceilingPerSecond) : "",
    ms(at.p50Ms),
    ms(at.p99Ms),
    at.serverMicros.toFixed(0),
    at.brokerMicros.toFixed(0),
    at.allocatedBytes ? (at.allocatedBytes / 1024).toFixed(0) : "",
    count(at.refused),
  ];
  const columns = ["connections", "", "a second", "of naive", "of batches", "p50 ms", "p99 ms"];
  console.log(
    table(
      [...columns, "server µs", "broker µs", "KiB each", "refused"],
      naive.flatMap((_, n) => Object.entries(rates).map(([who, at]) => row(who, at[n]!, n))),
    ),
  );
}
