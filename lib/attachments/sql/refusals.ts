import { isNativeError } from 'node:util/types';

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const UNIQUE_VIOLATION = '23505';

/** As node-postgres and postgres.js have it; ORMs put it into an error of their own. */
interface DuplicateKeyError extends Error {
  readonly code?: unknown;
  readonly table?: unknown;
  readonly table_name?: unknown;
  readonly original?: unknown;
}

/** Whether PostgreSQL has refused a row for its key in that table, whose name it has made small. */
export function isDuplicateIn(qualifiedTable: string, error: unknown): boolean {
  if (!isNativeError(error)) return false;
  const { code, table, table_name = table, cause, original } = error as DuplicateKeyError;
  const isTable = qualifiedTable.toLowerCase().split('.').at(-1) === table_name;
  return (code === UNIQUE_VIOLATION && isTable) || isDuplicateIn(qualifiedTable, cause ?? original);
}
