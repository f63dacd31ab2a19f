import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Pool, type PoolClient } from 'pg';
import { type SqlExecutor, SqlJournal } from '../../../lib/attachments/journal/sql-journal.js';
import { idsOf, intent, standingIds } from '../../support/attachments/sample-intents.js';
import { libsql } from '../../support/attachments/typeorm.js';
import { removeFolder } from '../../support/folders.js';
import { describeWith, startPostgresServer } from '../../support/servers/index.js';

/** A database, and how a transaction of its is run. */
interface TestDatabase {
  readonly outside: SqlExecutor;
  readonly folder?: string;
  transaction(act: (executor: SqlExecutor) => Promise<void>, isolation?: string): Promise<void>;
  close(): Promise<void>;
}

async function openSqlite(): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'filedepot-journal-'));
  const database = new libsql(join(folder, 'test.sqlite')) as unknown as {
    prepare(sql: string): {
      reader: boolean;
      all(...values: string[]): object[];
      run(...values: string[]): void;
    };
    exec(sql: string): void;
    close(): void;
  };
  const executor: SqlExecutor = {
    run: async (sql, parameters) => {
      const statement = database.prepare(sql);
      if (statement.reader) return statement.all(...parameters) as Record<string, unknown>[];
      statement.run(...parameters);
      return [];
    },
  };
  return {
    outside: executor,
    folder: join(folder, 'intents'),
    transaction: async (act) => {
      database.exec('BEGIN');
      await act(executor).catch((error) => {
        database.exec('ROLLBACK');
        throw error;
      });
      database.exec('COMMIT');
    },
    close: async () => {
      database.close();
      await removeFolder(folder);
    },
  };
}

async function openPostgres(url: string): Promise<TestDatabase> {
  const pool = new Pool({ connectionString: url });
  const executor = (client: Pool | PoolClient): SqlExecutor => ({
    run: async (sql, parameters) => (await client.query(sql, [...parameters])).rows,
  });
  return {
    outside: executor(pool),
    transaction: async (act, isolation = 'READ COMMITTED') => {
      const client = await pool.connect();
      await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
      await client.query('SELECT 1');
      try {
        await act(executor(client));
        await client.query('COMMIT');
      } catch (error) {
        await client.query('ROLLBACK');
        throw error;
      } finally {
        client.release();
      }
    },
    close: () => pool.end(),
  };
}

const undone = new Error('undone');

function journalTests(dialect: 'postgres' | 'sqlite', open: () => Promise<TestDatabase>): void {
  async function withJournal(act: (journal: SqlJournal, database: TestDatabase) => Promise<void>) {
    const database = await open();
    const journal = new SqlJournal({ dialect, ...database });
    try {
      await journal.prepare();
      await act(journal, database);
      await journal.close();
    } finally {
      await database.close();
    }
  }
  const inTransaction = (database: TestDatabase, act: (executor: SqlExecutor) => Promise<void>) =>
    database.transaction(async (executor) => {
      await act(executor);
      throw undone;
    });

  test('can be made ready twice', () => withJournal((journal) => journal.prepare()));

  test('keeps what it is told, word for word', () =>
    withJournal(async (journal) => {
      const told = intent('upload', 'default/a', 'photos/b');
      await journal.announce([told]);
      const entries = [];
      for await (const entry of journal.entries()) entries.push(entry);
      expect(entries).toEqual([told]);
    }));

  test('an upload that a transaction has kept is not owed', () =>
    withJournal(async (journal, database) => {
      const [kept, lost] = [intent('upload', 'default/a'), intent('upload', 'default/b')];
      await journal.announce([kept, lost]);
      await database.transaction((executor) => journal.record({ keep: [kept], condemn: [] }, executor));
      expect(await journal.standing([kept, lost])).toEqual([lost]);
    }));

  test('what a transaction decides is undone with it', () =>
    withJournal(async (journal, database) => {
      const [upload, deletion] = [intent('upload', 'default/a'), intent('delete', 'default/b')];
      await journal.announce([upload]);
      const record = (executor: SqlExecutor) =>
        journal.record({ keep: [upload], condemn: [deletion] }, executor);
      await expect(inTransaction(database, record)).rejects.toBe(undone);
      expect(await journal.standing([upload, deletion])).toEqual([upload]);
    }));

  test('a deletion is owed when it is committed', () =>
    withJournal(async (journal, database) => {
      const deletion = intent('delete', 'default/a');
      await database.transaction((executor) => journal.record({ keep: [], condemn: [deletion] }, executor));
      expect(await journal.standing([deletion])).toEqual([deletion]);
      await journal.forget([deletion]);
      expect(await journal.standing([deletion])).toEqual([]);
    }));

  test('what was retracted is as if it had not been recorded', () =>
    withJournal(async (journal, database) => {
      const [upload, deletion] = [intent('upload', 'default/a'), intent('delete', 'default/b')];
      await journal.announce([upload]);
      await database.transaction(async (executor) => {
        await journal.record({ keep: [upload], condemn: [deletion] }, executor);
        await journal.retract({ keep: [upload], condemn: [deletion] }, executor);
      });
      expect(await journal.standing([upload, deletion])).toEqual([upload]);
    }));

  test('an upload that was claimed cannot be kept any more, also when it is forgotten', () =>
    withJournal(async (journal, database) => {
      const upload = intent('upload', 'default/a');
      await journal.announce([upload]);
      expect(await journal.standing([upload])).toEqual([upload]);
      await journal.forget([upload]);
      const late = database.transaction((executor) =>
        journal.record({ keep: [upload], condemn: [] }, executor),
      );
      await expect(late).rejects.toMatchObject({ code: 'ATTACHMENT_CONFLICT' });
    }));

  test('what is forgotten does not stand any more', () =>
    withJournal(async (journal, database) => {
      const intents = Array.from({ length: 400 }, (_intent, index) => intent('upload', `default/${index}`));
      await journal.announce(intents);
      expect(await standingIds(journal)).toEqual(idsOf(...intents));
      await database.transaction((executor) => journal.record({ keep: intents, condemn: [] }, executor));
      expect(await journal.standing(intents)).toEqual([]);
      await journal.forget(intents.slice(1));
      await journal.forget(intents.slice(1));
      expect(await standingIds(journal)).toEqual(idsOf(...intents.slice(0, 1)));
    }));

  test('another journal of the same database forgets as well', () =>
    withJournal(async (journal, database) => {
      const [one, other] = [intent('upload', 'default/a'), intent('upload', 'default/b')];
      await journal.announce([one, other]);
      const another = new SqlJournal({ dialect, ...database });
      await another.forget([one]);
      expect(await standingIds(journal)).toEqual(idsOf(other));
      await another.forget([other]);
      expect(await standingIds(another)).toEqual([]);
      await another.close();
    }));

  test('what somebody else has settled meanwhile is not owed', () =>
    withJournal(async (journal, database) => {
      const upload = intent('upload', 'default/a');
      await journal.announce([upload]);
      await database.transaction((executor) => journal.record({ keep: [upload], condemn: [] }, executor));
      const another = new SqlJournal({ dialect, ...database });
      expect(await another.standing([upload])).toEqual([]);
      await another.forget([upload]);
      await another.close();
      expect(await journal.standing([upload])).toEqual([]);
    }));

  test('purge removes old marks, except of uploads that stand', () =>
    withJournal(async (journal, { outside, transaction }) => {
      const [claimed, kept] = [intent('upload', 'default/a'), intent('upload', 'default/b')];
      await journal.announce([claimed, kept]);
      await journal.standing([claimed]);
      await transaction((executor) => journal.record({ keep: [kept], condemn: [] }, executor));
      await journal.forget([claimed]);
      const count = async () =>
        (await outside.run("SELECT id FROM depot_intents WHERE state <> 'upload'", [])).length;
      await journal.purge(new Date(Date.now() - 60_000));
      expect(await count()).toBe(2);
      await journal.purge(new Date(Date.now() + 60_000));
      expect(await count()).toBe(1);
      expect(await journal.standing([kept])).toEqual([]);
    }));

  test('no mark stays of what was kept and forgotten', () =>
    withJournal(async (journal, database) => {
      const upload = intent('upload', 'default/a');
      await journal.announce([upload]);
      await database.transaction((executor) => journal.record({ keep: [upload], condemn: [] }, executor));
      await journal.forget([upload]);
      const next = intent('delete', 'default/c');
      await database.transaction((executor) => journal.record({ keep: [], condemn: [next] }, executor));
      expect(await database.outside.run('SELECT id FROM depot_intents', [])).toEqual([{ id: next.id }]);
    }));
}

describe('SQL journal in SQLite', () => {
  journalTests('sqlite', openSqlite);

  test('remembers nothing of uploads that no transaction has kept', async () => {
    const database = await openSqlite();
    const statements: string[] = [];
    const run: SqlExecutor['run'] = (sql, parameters) => {
      statements.push(sql);
      return database.outside.run(sql, parameters);
    };
    const journal = new SqlJournal({ ...database, dialect: 'sqlite', outside: { run } });
    await journal.prepare();
    const [lost, kept] = [intent('upload', 'default/a'), intent('upload', 'default/b')];
    await journal.announce([lost, kept]);
    await journal.forget([lost]);
    await journal.close();
    expect(statements.filter((sql) => sql.startsWith('DELETE'))).toEqual([]);
    await journal.announce([kept]);
    await database.transaction((executor) => journal.record({ keep: [kept], condemn: [] }, executor));
    await journal.forget([kept]);
    await journal.close();
    expect(statements.filter((sql) => sql.startsWith('DELETE'))).toHaveLength(1);
    await database.close();
  });

  test('needs a folder', () => {
    const outside: SqlExecutor = { run: async () => [] };
    const open = () => new SqlJournal({ dialect: 'sqlite', outside });
    expect(open).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });

  test.each(['intents; DROP TABLE users', '', '1st', 'a.b.c', 'a"b', 'a.', '.a', '"a"b', '""', '"a""'])(
    'takes no table %j',
    (table) => {
      const outside: SqlExecutor = { run: async () => [] };
      const open = () => new SqlJournal({ dialect: 'postgres', outside, table });
      expect(open).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    },
  );
});

await describeWith('SQL journal in PostgreSQL', [startPostgresServer], (server) => {
  journalTests('postgres', async () => openPostgres(await server.createDatabase()));

  test.each(['REPEATABLE READ', 'SERIALIZABLE'])(
    'a transaction that is %s keeps what was announced after it began',
    async (isolation) => {
      const database = await openPostgres(await server.createDatabase());
      const journal = new SqlJournal({ dialect: 'postgres', ...database });
      await journal.prepare();
      const upload = intent('upload', 'default/a');
      await database.transaction(async (executor) => {
        await journal.announce([upload]);
        await journal.record({ keep: [upload], condemn: [] }, executor);
      }, isolation);
      expect(await journal.standing([upload])).toEqual([]);
      await database.close();
    },
  );

  test('a claim waits for the transaction that is keeping the upload', async () => {
    const database = await openPostgres(await server.createDatabase());
    const journal = new SqlJournal({ dialect: 'postgres', ...database });
    await journal.prepare();
    const upload = intent('upload', 'default/a');
    await journal.announce([upload]);
    let claim: Promise<unknown> | undefined;
    await database.transaction(async (executor) => {
      await journal.record({ keep: [upload], condemn: [] }, executor);
      claim = journal.standing([upload]);
    });
    expect(await claim).toEqual([]);
    await database.close();
  });

  test('several processes make the table at once', async () => {
    const databases = await Promise.all(
      Array(4)
        .fill(await server.createDatabase())
        .map(openPostgres),
    );
    const journals = databases.map((database) => new SqlJournal({ dialect: 'postgres', ...database }));
    await Promise.all(journals.map((journal) => journal.prepare()));
    await Promise.all(databases.map((database) => database.close()));
  });
});
