// @ts-check
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram, PROGRAMS } from '../../__tests__/support/servers/programs.js';
import { freePort } from './nginx.js';

/** @typedef {import('../../__tests__/support/servers/programs.js').ProgramName} ProgramName */
/** @typedef {{ endpoint: string, region: string, credentials: { accessKeyId: string, secretAccessKey: string } }} S3Address */

const GUARD = createRequire(import.meta.url).resolve('../../__tests__/support/servers/guard.js');

/** Runs the program as somebody who is not root. */
const POSTGRES = createRequire(import.meta.url).resolve('../../__tests__/support/servers/postgres.sh');

const REGION = 'us-east-1';
const CREDENTIALS = { accessKeyId: 'benchmark', secretAccessKey: 'benchmark-secret' };

/** Attempts to reach a server that starts, one in 50 ms. */
const ATTEMPTS = 400;

/** A server of the tests, with its data in a folder; it ends with this process. */
class StorageServer {
  #guard;

  /**
   * @param {ProgramName} name @param {string} folder @param {readonly string[]} parameters
   * @param {string} [launcher] a script that is given the program before all
   */
  constructor(name, folder, parameters, launcher) {
    const command = [...(launcher ? [launcher] : []), requireProgram(name)];
    this.#guard = fork(GUARD, [folder, ...command, ...parameters], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
  }

  async stop() {
    const exit = once(this.#guard, 'exit');
    this.#guard.disconnect();
    await exit;
  }
}

/** @param {ProgramName} name */
export function requireProgram(name) {
  const program = findProgram(name);
  if (program) return program;
  throw new Error(`There is no ${PROGRAMS[name].title}: npm run servers gets it`);
}

/** An S3 server (versitygw) whose buckets are folders in `folder`. @param {string} folder */
export async function startS3(folder) {
  const port = await freePort();
  const objects = join(folder, 'objects');
  for (const name of ['accounts', 'objects']) mkdirSync(join(folder, name), { recursive: true });
  const server = new StorageServer('versitygw', folder, [
    ...['--port', `127.0.0.1:${port}`, '--region', REGION, '--health', '/health', '--quiet', '--keep-alive'],
    ...['--access', CREDENTIALS.accessKeyId, '--secret', CREDENTIALS.secretAccessKey],
    ...['--iam-dir', join(folder, 'accounts'), 'posix', objects],
  ]);
  const endpoint = `http://127.0.0.1:${port}`;
  await reached(async () => {
    const { ok } = await fetch(`${endpoint}/health`);
    if (!ok) throw new Error('not yet');
  });
  /** @type {S3Address} */
  const address = { endpoint, region: REGION, credentials: CREDENTIALS };
  return { address, objects, stop: () => server.stop() };
}

/** A MongoDB server, a replica set of one. @param {string} folder */
export async function startMongo(folder) {
  const { MongoClient } = await import('mongodb');
  const port = await freePort();
  const data = join(folder, 'data');
  mkdirSync(data, { recursive: true });
  const server = new StorageServer('mongod', folder, [
    ...['--port', `${port}`, '--bind_ip', '127.0.0.1', '--nounixsocket', '--dbpath', data],
    ...['--wiredTigerCacheSizeGB', '0.5', '--replSet', 'rs0', '--oplogSize', '1024'],
  ]);
  const direct = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`);
  const members = [{ _id: 0, host: `127.0.0.1:${port}` }];
  await reached(() => direct.db('admin').command({ replSetInitiate: { _id: 'rs0', members } }));
  await reached(async () => {
    const { isWritablePrimary } = await direct.db('admin').command({ hello: 1 });
    if (!isWritablePrimary) throw new Error('not yet');
  });
  await direct.close();
  return { url: `mongodb://127.0.0.1:${port}/?replicaSet=rs0`, stop: () => server.stop() };
}

/** A PostgreSQL server that is as durable as it is by default. @param {string} folder */
export async function startPostgres(folder) {
  const { default: pg } = await import('pg');
  const port = await freePort();
  const home = mkdtempSync(join(folder, 'postgres-'));
  const durable = ['-c', 'fsync=on', '-c', 'full_page_writes=on'];
  const server = new StorageServer('postgres', home, [`${port}`, home, ...durable], POSTGRES);
  const url = `postgres://tests@127.0.0.1:${port}/postgres`;
  const run = async (/** @type {string} */ text) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(text).finally(() => client.end());
  };
  await reached(() => run('SELECT 1'));
  const createDatabase = async () => {
    const name = `run_${randomUUID().replaceAll('-', '')}`;
    await run(`CREATE DATABASE ${name}`);
    return `postgres://tests@127.0.0.1:${port}/${name}`;
  };
  return { createDatabase, stop: () => server.stop() };
}

/** @param {() => Promise<unknown>} attempt */
async function reached(attempt) {
  for (let attempts = 1; ; attempts += 1) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (attempts === ATTEMPTS) throw error;
    }
    await sleep(50);
  }
}
