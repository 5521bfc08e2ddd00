import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { natsPermissions } from "#mesh/identity/nats-permissions.ts";
import { builtSchema } from "../schema.ts";
import { readCode } from "./code.ts";
import { readDeclared } from "./declared.ts";
import { readRooms } from "./rooms.ts";

const registry = builtSchema(".");
const { events } = readDeclared(registry);
const { services } = readCode(readRooms("."), registry);
const all = [...events.values()];

test("the broker lets each service do what its code does, and nothing else", () => {
  expect(services.length).toBeGreaterThan(3);
  for (const { service, produces, consumes } of services) {
    const permissions = natsPermissions({ identity: service, events: all.map((it) => it.desc) });
    const { allow } = permissions.publish;
    const told = allow.filter((subject) => !subject.startsWith("$"));
    expect(told, service).toEqual([...produces.keys()].sort());
    const read = allow.flatMap((subject) => {
      return /^\$JS\.API\.CONSUMER\.MSG\.NEXT\.([A-Z_]+)\./.exec(subject)?.[1] ?? [];
    });
    const streams = [...consumes.keys()].map((name) => events.get(name)?.stream);
    expect(read.sort(), service).toEqual([...new Set(streams)].sort());
  }
});

test("the broker's configuration has the users of the graph", () => {
  const config = readFileSync("deploy/nats.conf", "utf8");
  const users = [...config.matchAll(/^ +(?:\{ )?user: "([^"]+)"/gm)].map((match) => match[1]);
  const named = services.map(({ service }) => service);
  expect(users.filter((user) => user !== "dev").sort()).toEqual(named.sort());
});
