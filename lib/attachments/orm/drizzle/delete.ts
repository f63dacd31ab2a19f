import { attachmentsGone, onlyThese, rowsBelow, rowsOf } from './rows.js';
import { execute } from './statement.js';
import type { Execution, Work } from './work.js';

/** Deletes rows; the files of their attachments, and of those that the database deletes with them, go at the commit. */
export async function runDelete(work: Work, execution: Execution): Promise<unknown> {
  const { shape, statement, method, placeholders } = execution;
  const session = await work.session();
  const rows = await rowsOf(session, execution);
  const before = await rowsBelow(session, shape, rows);
  const query = statement.build(session, onlyThese(shape, rows));
  const result = await work.attempt(() => execute(query, method, placeholders));
  await work.unit.remove(await attachmentsGone(session, before));
  return result;
}
