// @ts-check
// The driver for TypeORM's `better-sqlite3`: libsql, which has the same interface and needs no compiler to be installed.
// With the package better-sqlite3, leave this file and the option `driver` out.

import libsql from 'libsql';

/** @typedef {(...parameters: unknown[]) => unknown} Run */

/**
 * It takes a single null for the names of its parameters: `SET photo = ?` could not remove a photo.
 * @template {new (path: string) => import('libsql').Database} Driver
 * @param {Driver} Driver
 */
function mended(Driver) {
  const database = new Driver(':memory:');
  const statement = /** @type {{ run: Run }} */ (Object.getPrototypeOf(database.prepare('SELECT 1')));
  const { run } = statement;
  statement.run = function (...parameters) {
    return run.apply(this, parameters.length === 1 && parameters[0] === null ? [[null]] : parameters);
  };
  database.close();
  return Driver;
}

export const driver = mended(libsql);
