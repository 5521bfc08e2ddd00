import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findNatsServer } from "./nats-binary.ts";
import { natsConfigFile, natsDeployment, schemaUsers } from "./nats-config.ts";
import { constantCase } from "./ports.ts";

test("deploy/nats.conf is what the schema says; `make gen` writes it", async () => {
  const users = await schemaUsers();
  expect(readFileSync(natsConfigFile, "utf8")).toBe(natsDeployment(users));
});

test("a broker takes deploy/nats.conf with passwords from the environment", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bursar-nats-config-"));
  const passwords = (await schemaUsers()).map(({ user }): [string, string] => [
    `${constantCase(user)}_NATS_PASSWORD`,
    `secret-of-${user}`,
  ]);
  const env = { NATS_STORE_DIR: folder, ...Object.fromEntries(passwords) };
  const command = await findNatsServer();
  const check = () =>
    execFileSync(command, ["-t", "--config", natsConfigFile], { env, stdio: "pipe" });
  expect(check).not.toThrow();
  delete (env as Record<string, string>)["CMS_SERVICE_NATS_PASSWORD"];
  expect(check).toThrow(/CMS_SERVICE_NATS_PASSWORD/);
  rmSync(folder, { recursive: true });
});
