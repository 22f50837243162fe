import type { EntityMetadata } from "@mikro-orm/core";
import { expect, onTestFinished, test } from "vitest";
import { testDatabase } from "../support/database.ts";

test("entities have the columns of a migrated database, with their types", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const entities = [...database.orm.getMetadata().getAll().values()] as EntityMetadata[];
  const declared = entities.flatMap(({ tableName, props }) =>
    props.map(({ fieldNames, columnTypes, nullable }) => ({
      column: `${tableName}.${fieldNames[0]}`,
      type: columnTypes[0],
      nullable: nullable === true,
    })),
  );
  const columns = await database.query(`
    select table_name || '.' || column_name as column, is_nullable = 'YES' as nullable,
      format('%I.%I', udt_schema, udt_name)::regtype::text as type
    from information_schema.columns
    join information_schema.tables using (table_schema, table_name)
    where table_schema = 'points' and table_name <> 'migration' and table_type = 'BASE TABLE'
    order by table_name collate "C", column_name collate "C"`);
  const types = await database.query(
    "select type, type::regtype::text as name from unnest($1::text[]) as type",
    [[...new Set(declared.map(({ type }) => type))]],
  );
  const nameOf = new Map(types.map(({ type, name }) => [type, name]));
  const named = declared.map(({ type, ...rest }) => ({ ...rest, type: nameOf.get(type) }));
  expect(named.toSorted((a, b) => (a.column < b.column ? -1 : 1))).toEqual(columns);
});
