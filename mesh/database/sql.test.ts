import { expect, test } from "vitest";
import { createSql, type Query } from "./sql.ts";
import type { AnyRow, Rows } from "./statement.ts";

function createWorld() {
  const sent: Query[] = [];
  const sql = createSql(async (query) => {
    sent.push(query);
    return Object.assign([], { count: 0, command: "SELECT" }) as Rows<AnyRow[]>;
  });
  return { sent, sql };
}

test("values become parameters, and parts become text", async () => {
  const { sent, sql } = createWorld();
  const part = sql`and b = ${"x"} ${sql``}`;

  await sql`select * from ${sql('t"1')} where a = ${1n} ${part} limit ${5}`;

  const text = 'select * from "t""1" where a = $1 and b = $2  limit $3';
  expect(sent).toEqual([{ text, parameters: ["1", "x", "5"], name: undefined }]);
});

test("a template has one name, another text another", async () => {
  const { sent, sql } = createWorld();
  const select = (n: number, part = sql``) => sql`select ${n} ${part}`;
  await sql`select ${1}`;
  for (const n of [1, 2]) await select(n);
  await select(3, sql`limit 1`);
  await select(4);

  const names = sent.map(({ name }) => name);
  expect(names).toEqual([names[0], names[1], names[1], names[3], names[1]]);
  expect(new Set(names).size).toBe(3);
  expect(sent.map(({ text }) => text)).toEqual([
    "select $1",
    "select $1 ",
    "select $1 ",
    "select $1 limit 1",
    "select $1 ",
  ]);
});

test("a statement is sent when it is awaited, once", async () => {
  const { sent, sql } = createWorld();
  const statement = sql`select 1`;
  await Promise.resolve();
  expect(sent).toEqual([]);

  await Promise.all([statement, statement, statement.then(() => 1)]);

  expect(sent).toHaveLength(1);
});

test("a value that is undefined is a bug, and nothing is sent", async () => {
  const { sent, sql } = createWorld();
  await expect(sql`select ${undefined as never}`).rejects.toThrow(/parameter is undefined/);
  expect(sent).toEqual([]);
});
