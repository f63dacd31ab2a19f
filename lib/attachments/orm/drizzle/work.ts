import type { Work as SqlWork } from '../../sql/transactions.js';
import type { TableShape } from './schema.js';
import type { Placeholders, Session } from './session.js';
import type { Statement } from './statement.js';

/** What statements in one transaction share. */
export type Work = SqlWork<Session>;

/** A statement, and how it was asked to run. */
export interface Execution {
  readonly shape: TableShape;
  readonly statement: Statement;
  /** E.g. `execute` or `all`. */
  readonly method: string;
  readonly placeholders: Placeholders | undefined;
}
