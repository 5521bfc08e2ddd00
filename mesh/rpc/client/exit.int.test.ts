import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { testCertificates } from "../../testing/certificates.ts";
import { startFleet } from "../../testing/fleet.ts";

const program = `
  import { openClient } from "#mesh/rpc/client.ts";
  import { Health } from "#gen/grpc/health/v1/health_pb.ts";
  const { url, tls, close } = JSON.parse(process.argv[1]);
  const client = openClient(Health, { url, tls });
  const calls = Array.from({ length: 8 }, () => client.rpc.check({}));
  console.log((await Promise.all(calls)).length);
  if (close) await client[Symbol.asyncDispose]();
`;

// A connection, a watch or a timer left behind would hold the process until the test's end.
test.each([
  ["closed", true, "list"],
  ["left open", false, "list"],
  ["left open on a name", false, "name"],
] as const)("a process whose client is %s ends by itself", async (_name, close, kind) => {
  await using fleet = await startFleet(2);
  await using certificates = await testCertificates(fleet.authority);
  const tls = await certificates.identity("test-client");
  const { port } = new URL(fleet.urls[0] ?? "");
  const url = kind === "name" ? `dns:localhost:${port}` : fleet.urls;
  const child = spawn(
    process.execPath,
    ["--input-type=module", "--eval", program, JSON.stringify({ url, tls, close })],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = once(child, "exit");
  const [output] = (await once(child.stdout, "data")) as [Buffer];
  expect(output.toString()).toBe("8\n");
  expect(await ended).toEqual([0, null]);
});
