import { createRequire } from 'node:module';
import { programFor } from './missing-program.js';

const require = createRequire(import.meta.url);

/** The package `sqlite3`. */
interface Driver {
  readonly Database: new (
    ...parameters: unknown[]
  ) => { configure(option: 'busyTimeout', milliseconds: number): void };
}

/**
 * The package `sqlite3`, which Sequelize takes as its `dialectModule`: that of `DEPOT_TEST_SQLITE3`, or one of the
 * tests' own. It does not wait for locks, which would block the few threads that all connections share: Sequelize tries
 * again.
 * @throws MissingProgramError
 */
export function sqliteDriver(): object {
  const driver: Driver = require(process.env.DEPOT_TEST_SQLITE3 || programFor('sqlite3'));
  class Database extends driver.Database {
    constructor(...parameters: unknown[]) {
      super(...parameters);
      this.configure('busyTimeout', 0);
    }
  }
  return { ...driver, Database };
}
