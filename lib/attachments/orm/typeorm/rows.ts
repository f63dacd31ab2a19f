import type { DataSource, EntityMetadata, ObjectLiteral, QueryRunner } from 'typeorm';
import type { Cascade, FieldColumn } from './fields.js';

/** A condition as the driver takes it: empty, or from its `WHERE` on. */
export interface Where {
  readonly sql: string;
  readonly parameters: readonly unknown[];
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
  const columns = [...names].map((name) => driver.escape(name)).join(', ') || '1';
  const lock = driver.options.type === 'postgres' ? ' FOR UPDATE' : '';
  return queryRunner.query(`SELECT ${columns} FROM ${tableOf(metadata)}${sql}${lock}`, [...parameters]);
}

/** The name of an entity's table, with its schema. */
export function tableOf({ tablePath, dataSource: { driver } }: EntityMetadata): string {
  const parts = tablePath.split('.').map((part) => driver.escape(part));
  return parts.join('.');
}

/** The row of an entity. */
export function whereIs(metadata: EntityMetadata, entity: ObjectLiteral): Where {
  const names = metadata.primaryColumns.map(({ databaseName }) => databaseName);
  const values = metadata.primaryColumns.map((column) => {
    const value = column.getEntityValue(entity);
    return metadata.dataSource.driver.preparePersistentValue(value, column);
  });
  return whereOneOf(metadata.dataSource, names, [values]);
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
