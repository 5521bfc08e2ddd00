import { expect, test } from "vitest";
import { openTestDatabase } from "../testing/database.ts";
import { openPool } from "./pool.ts";
import { applyRoles, rolesOf, urlAs } from "./roles.ts";

test("a service of one's own gets a schema and two roles, and leaves the others alone", async () => {
  const migrations = new URL("../events/migrations/", import.meta.url);
  await using database = await openTestDatabase({ schema: "mesh", migrations });
  const { owner, runtime } = rolesOf("shipping");

  await applyRoles(database.superUrl, (role) => role, ["shipping"]);

  const migrating = openPool({ url: urlAs(database.superUrl, owner, owner), connectionsMax: 1 });
  await migrating`create table shipping.parcel (n int)`;
  await migrating.end();
  const url = urlAs(database.superUrl, runtime, runtime);
  const serving = openPool({ url, connectionsMax: 1, schema: "shipping" });
  await serving`insert into parcel values (1)`;
  expect(await serving`select n from parcel`).toEqual([{ n: 1 }]);
  await expect(serving`create table other (n int)`).rejects.toThrow(/permission denied/);
  await expect(serving`select * from mesh.outbox`).rejects.toThrow(/permission denied/);
  await serving.end();
});

test("no schema has a name that SQL or a list would read otherwise", async () => {
  for (const name of ["a,b", "A", "", "x;"]) {
    await expect(applyRoles("postgres://nowhere", () => "", [name])).rejects.toThrow();
  }
});
