import { isNativeError } from 'node:util/types';

/** What a driver of PostgreSQL says (https://www.postgresql.org/docs/current/protocol-error-fields.html). */
export interface DatabaseAnswer {
  readonly severity?: unknown;
  /** SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
  readonly code?: unknown;
}

/** Connections that were lost, servers that are shut down, and faults of which nobody knows what they mean. */
const UNKNOWN_ENDS = /^(?:08|57P|XX)/;

const SQLSTATE = /^(?:\d[0-9A-Z]|P0)[0-9A-Z]{3}$/;

/** Whether PostgreSQL has answered that it did not do a statement; otherwise nobody knows. */
export function isRefusedByPostgres({ severity = 'ERROR', code }: DatabaseAnswer): boolean {
  return severity === 'ERROR' && SQLSTATE.test(String(code)) && !UNKNOWN_ENDS.test(String(code));
}

const UNIQUE_VIOLATION = '23505';

/** As node-postgres and postgres.js have it; ORMs put it into an error of their own. */
interface DuplicateKeyError extends Error {
  readonly code?: unknown;
  readonly table?: unknown;
  readonly table_name?: unknown;
  readonly original?: unknown;
}

/** Whether PostgreSQL has refused a row for its key in that table. */
export function isDuplicateIn(qualifiedTable: string, error: unknown): boolean {
  if (!isNativeError(error)) return false;
  const { code, table, table_name = table, cause, original } = error as DuplicateKeyError;
  const isTable = baseName(qualifiedTable) === table_name;
  return (code === UNIQUE_VIOLATION && isTable) || isDuplicateIn(qualifiedTable, cause ?? original);
}

/** A table's name as the database has it: without its schema, and in small letters. */
export function baseName(qualifiedTable: string): string | undefined {
  return qualifiedTable.toLowerCase().split('.').at(-1);
}
