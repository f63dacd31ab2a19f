import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import pg from 'pg';
import type { HarnessDatabase } from '../../lib/testing/index.js';
import { DrizzlePostgres } from '../support/attachments/drizzle-postgres.js';
import { runAtOnce } from '../support/attachments/many-transactions.js';
import { SequelizeDatabase, type SequelizeTarget } from '../support/attachments/sequelize-orm.js';
import { postgresDatabase } from '../support/attachments/sequelize-targets.js';
import { describeWith, type PostgresServer, startPostgresServer } from '../support/servers/index.js';
import { until } from '../support/until.js';

/** Milliseconds. */
const TIMEOUT = 300_000;

/** Of two pools: that of the transactions, and that of the journal, each with one connection of the tests'. */
const MAX_CONNECTIONS = 16;

/** A server that tells the URL of the last database. */
function remembering(server: PostgresServer): PostgresServer & { last: string } {
  const remembered = { ...server, last: '' };
  remembered.createDatabase = async () => {
    remembered.last = await server.createDatabase();
    return remembered.last;
  };
  return remembered;
}

/** With a pool for which transactions wait as long as they must. */
async function pooled(server: PostgresServer): Promise<SequelizeTarget> {
  const target = await postgresDatabase(server);
  return { ...target, options: { ...target.options, pool: { max: 10, acquire: TIMEOUT } } };
}

/** What is open to a database, besides the client that asks. */
async function connectionsTo(client: pg.Client): Promise<{ all: number; inTransaction: number }> {
  const text = `SELECT count(*)::int AS "all", count(xact_start)::int AS "inTransaction" FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`;
  const { rows } = await client.query(text);
  return rows[0];
}

await describeWith('many transactions at once', [startPostgresServer], (server) => {
  const remembered = remembering(server);
  const databases: Readonly<Record<string, { count: number; open: () => Promise<HarnessDatabase> }>> = {
    Sequelize: {
      count: 1000,
      open: async () => SequelizeDatabase.create(await pooled(remembered)),
    },
    Drizzle: { count: 200, open: () => DrizzlePostgres.create(remembered) },
  };

  // An unhandled rejection fails the test: jest sees to it.
  test.each(Object.entries(databases))(
    '%s: a third rolled back, no file and no connection too many',
    async (_name, { count, open }) => {
      const database = await open();
      const client = new pg.Client({ connectionString: remembered.last });
      await client.connect();
      const { all: before } = await connectionsTo(client);
      let most = 0;
      await runAtOnce(database, count, async (signal) => {
        for (; !signal.aborted; await delay(50)) most = Math.max(most, (await connectionsTo(client)).all);
      });
      expect(most).toBeLessThanOrEqual(MAX_CONNECTIONS);
      await until(async () => (await connectionsTo(client)).all <= before, 'the connections to be closed');
      expect((await connectionsTo(client)).inTransaction).toBe(0);
      await client.end();
      await database.close();
    },
    TIMEOUT,
  );
});
