import type { Client } from '@libsql/client';
import type pg from 'pg';
import type { Intent } from '../../../lib/attachments/journal/journal.js';
import {
  type SqlExecutor,
  SqlJournal,
  type SqlJournalOptions,
} from '../../../lib/attachments/journal/sql-journal.js';

/** Runs the journal's SQL past every ORM. */
export function libsqlExecutor(client: Client): SqlExecutor {
  return { run: async (sql, parameters) => (await client.execute({ sql, args: [...parameters] })).rows };
}

export function postgresExecutor(pool: pg.Pool): SqlExecutor {
  return { run: async (sql, parameters) => (await pool.query(sql, [...parameters])).rows };
}

/** What stands in the journal. */
export async function readIntents(options: SqlJournalOptions): Promise<Intent[]> {
  const journal = new SqlJournal(options);
  await journal.prepare();
  const intents = [];
  for await (const intent of journal.entries()) intents.push(intent);
  return intents;
}
