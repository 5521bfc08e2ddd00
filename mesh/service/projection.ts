// Rows that are messages: a table with a column for each field of a message, under its name. Of one
// key the highest version stands, so any order and any repetition of the events behind it end in
// the same rows.
//
// The table's primary key is the key; a column `row_id bigint generated always as identity` orders
// its pages.

import assert from "node:assert/strict";
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Value } from "../database/parameters.ts";
import { Identifier, type Sql } from "../database/sql.ts";
import { nextToken, pageSizeOf, readToken } from "../events/pages.ts";
import { refuse } from "../rpc/errors.ts";
import { columnOf, columnsOf, fieldsOf, valuesOf } from "./columns.ts";
import type { Fields } from "./fields.ts";

/** Columns and the values they must have, in the names of TypeScript: `{ orderId: "ord_1" }`. */
export type Where = Readonly<Record<string, Value>>;

export type PageRequest = { readonly pageSize: number; readonly pageToken: string };

/** What can be read, from a table or from a view that has all of its columns. */
export type View<D extends DescMessage> = {
  /** The one row, under the name that the reply has for it; NOT_FOUND when there is none. */
  get<N extends string>(sql: Sql, name: N, where: Where): Promise<Record<N, MessageShape<D>>>;
  /** A page of rows, newest first, under the name that the reply has for them. */
  list<N extends string>(
    sql: Sql,
    name: N,
    where: Where,
    page: PageRequest,
  ): Promise<Record<N, MessageShape<D>[]> & { readonly nextPageToken: string }>;
};

export type Projection<D extends DescMessage> = View<D> & {
  /** True when this row is now the one that stands. */
  keep(tx: Sql, row: Fields<D>): Promise<boolean>;
};

export function createProjection<D extends DescMessage>(
  schema: D,
  { table, version }: { readonly table: string; readonly version: string },
): Projection<D> {
  const columns = columnsOf(schema);
  assert(
    columns.includes(version),
    `${schema.typeName} has no field ${version} to tell versions by`,
  );
  const names = columns.map(quoted).join(", ");
  const places = columns.map((_, n) => `$${n + 1}`).join(", ");
  const insert = `
    insert into ${quoted(table)} (${names}) values (${places})
    on conflict on constraint ${quoted(`${table}_pkey`)} do update
    set (${names}) = row (${columns.map((column) => `excluded.${quoted(column)}`).join(", ")})
    where ${quoted(table)}.${quoted(version)} < excluded.${quoted(version)}
  `;
  return {
    ...createView(schema, table),
    async keep(tx, row) {
      const { count } = await tx.unsafe(insert, valuesOf(schema, row));
      return count === 1;
    },
  };
}

export function createView<D extends DescMessage>(schema: D, relation: string): View<D> {
  const names = columnsOf(schema).map(quoted).join(", ");
  const from = quoted(relation);
  const messageOf = (row: object) => create(schema, fieldsOf(schema, row) as never);
  return {
    async get(sql, name, where) {
      const { text, values } = conditionsOf(where);
      const [row] = await sql.unsafe(`select ${names} from ${from} where ${text} limit 1`, values);
      if (row === undefined) throw refuse(Code.NotFound, `there is no such ${schema.name}`);
      return { [name]: messageOf(row) } as never;
    },
    async list(sql, name, where, { pageSize, pageToken }) {
      const before = readToken(pageToken, relation) ?? null;
      const size = pageSizeOf(pageSize);
      const { text, values } = conditionsOf(where);
      const rows = await sql.unsafe<{ readonly row_id: bigint }[]>(
        `select row_id, ${names} from ${from}
         where ${text} and ($${values.length + 1}::bigint is null or row_id < $${values.length + 1})
         order by row_id desc limit ${size + 1}`,
        [...values, before],
      );
      const nextPageToken = nextToken(rows, size, relation, ({ row_id }) => row_id);
      return { [name]: rows.slice(0, size).map(messageOf), nextPageToken } as never;
    },
  };
}

function conditionsOf(where: Where) {
  const entries = Object.entries(where);
  assert(entries.length > 0, "rows are asked for without saying which");
  return {
    text: entries.map(([name], n) => `${quoted(columnOf(name))} = $${n + 1}`).join(" and "),
    values: entries.map(([, value]) => value),
  };
}

function quoted(name: string): string {
  return new Identifier(name).text;
}
