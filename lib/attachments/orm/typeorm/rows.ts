import type { DataSource, EntityMetadata, ObjectLiteral, QueryBuilder, QueryRunner } from 'typeorm';
import type { Cascade, FieldColumn } from './fields.js';

/** A condition as the driver takes it: empty, or from its `WHERE` on. */
export interface Where {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** The column in which rows that are read have their primary key as a text. */
const KEY = 'depot_key';

/** Rows of an entity, as the driver gives them. */
export interface Rows {
  readonly metadata: EntityMetadata;
  readonly rows: readonly ObjectLiteral[];
}

/**
 * What rows hold, as the driver gives it. Nobody else changes them until the transaction is over: what they hold is what
 * will be replaced.
 * @param keys names of further columns
 */
export async function lockedRows(
  queryRunner: QueryRunner,
  metadata: EntityMetadata,
  fields: readonly FieldColumn[],
  { sql, parameters }: Where,
  keys: readonly string[] = [],
): Promise<ObjectLiteral[]> {
  const { driver } = queryRunner.dataSource;
  const names = new Set([...keys, ...fields.map(({ column }) => column.databaseName)]);
  const key = `${keyText(metadata)} AS ${driver.escape(KEY)}`;
  const columns = [key, ...[...names].map((name) => driver.escape(name))].join(', ');
  const lock = driver.options.type === 'postgres' ? ' FOR UPDATE' : '';
  return queryRunner.query(`SELECT ${columns} FROM ${tableOf(metadata)}${sql}${lock}`, [...parameters]);
}

/** Tells a row from the others of its table. */
export function keyOf(row: ObjectLiteral): string {
  return String(row[KEY]);
}

/** Has a statement write none but these rows: others may have come to meet its condition since they were read. */
export function restrict(builder: QueryBuilder<ObjectLiteral>, { metadata, rows }: Rows): void {
  const keys = rows.map(keyOf);
  const isPostgres = metadata.dataSource.options.type === 'postgres';
  // TypeORM takes names without quotes for properties.
  const list = isPostgres
    ? 'SELECT unnest(CAST(:depotKeys AS "text"[]))'
    : 'SELECT "value" FROM json_each(:depotKeys)';
  builder.setParameter('depotKeys', isPostgres ? keys : JSON.stringify(keys));
  builder.expressionMap.extraAppendedAndWhereCondition = `${keyText(metadata)} IN (${list})`;
}

/** Names of the columns. */
export function primaryKey({ primaryColumns }: EntityMetadata): string[] {
  return primaryColumns.map(({ databaseName }) => databaseName);
}

/** SQL for a primary key as one text, whatever its columns are. */
function keyText({ primaryColumns, dataSource: { driver } }: EntityMetadata): string {
  const names = primaryColumns.map(({ databaseName }) => driver.escape(databaseName));
  if (driver.options.type === 'postgres') return `CAST(ROW(${names.join(', ')}) AS "text")`;
  return names.map((name) => `quote(${name})`).join(` || ',' || `);
}

/** The name of an entity's table, with its schema. */
export function tableOf({ tablePath, dataSource: { driver } }: EntityMetadata): string {
  const parts = tablePath.split('.').map((part) => driver.escape(part));
  return parts.join('.');
}

/** The same rows again. */
export function whereSame({ metadata, rows }: Rows): Where {
  const names = primaryKey(metadata);
  const keys = rows.map((row) => names.map((name) => row[name]));
  return whereOneOf(metadata.dataSource, names, keys);
}

/** The row of an entity. */
export function whereIs(metadata: EntityMetadata, entity: ObjectLiteral): Where {
  const values = metadata.primaryColumns.map((column) => {
    const value = column.getEntityValue(entity);
    return metadata.dataSource.driver.preparePersistentValue(value, column);
  });
  return whereOneOf(metadata.dataSource, primaryKey(metadata), [values]);
}

/** The rows that refer to these. */
export function whereRefers(
  dataSource: DataSource,
  { columnNames, referencedColumnNames }: Cascade,
  rows: readonly ObjectLiteral[],
): Where {
  const keys = rows.map((row) => referencedColumnNames.map((name) => row[name]));
  return whereOneOf(dataSource, columnNames, keys);
}

function whereOneOf(
  { driver }: DataSource,
  names: readonly string[],
  keys: readonly (readonly unknown[])[],
): Where {
  const parameters: unknown[] = [];
  const place = (value: unknown) => driver.createParameter('key', parameters.push(value) - 1);
  const equal = (key: readonly unknown[]) =>
    names.map((name, index) => `${driver.escape(name)} = ${place(key[index])}`).join(' AND ');
  const sql = keys.map((key) => `(${equal(key)})`).join(' OR ');
  return { sql: ` WHERE ${sql}`, parameters };
}
