// One Postgres and one nats-server for a whole test run, started before the first test file and
// stopped after the last. Tests reach them through #mesh/testing.

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { applyRoles } from "#mesh/database/roles.ts";
import { startNatsServer } from "./nats-server.ts";
import { startPostgres } from "./postgres.ts";

/** Most test brokers that can be open at once: each has an account, and so streams, of its own. */
const accountsMax = 40;

export default async function setup(): Promise<() => Promise<void>> {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "bursar-test-"));
  // Postgres may run as another user, who has to pass through.
  chmodSync(folder, 0o711);
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));

  const [nats, postgres] = await Promise.all([startTestBroker(folder), startTestDatabase(folder)]);
  stack.use(nats);
  stack.use(postgres);

  await applyRoles(postgres.url, (role) => role);
  Object.assign(process.env, {
    BURSAR_TEST_DATABASE_URL: postgres.url,
    BURSAR_TEST_NATS_URL: nats.url,
    BURSAR_TEST_NATS_ACCOUNTS: String(accountsMax),
    BURSAR_TEST_FOLDER: folder,
  });
  const opened = stack.move();
  return () => opened.disposeAsync();
}

function startTestBroker(folder: string) {
  const accounts = Array.from({ length: accountsMax }, (_, n) => {
    return { name: `TEST${n}`, users: [{ user: `test${n}`, password: `test${n}` }] };
  });
  return startNatsServer({
    dataDir: join(folder, "nats"),
    accounts,
    // Streams reserve their bytes when they are made; none of it is written.
    fileStoreBytesMax: 64 * 1024 ** 3,
    say: (line) => console.log(line),
  });
}

function startTestDatabase(folder: string) {
  // Only tests may run without fsync: nobody mourns their data after a power cut, and databases
  // are cloned and dropped many times faster.
  const settings = { fsync: "off", full_page_writes: "off" };
  return startPostgres({ dataDir: join(folder, "postgres"), settings });
}
