// @ts-check
import { startServer } from '../harness/subjects.js';
import { depotPath, prepareFiles } from './files.js';
import { GIGABYTE, KILOBYTE, MEGABYTE } from './sizes.js';
import { verifyFiles } from './uploads.js';

/** @typedef {import('../harness/types.js').Candidate} Candidate */
/** @typedef {import('../harness/types.js').Context} Context */
/** @typedef {import('../harness/types.js').Scenario} Scenario */

const CLIENTS = 4;
const LOAD = { count: CLIENTS, concurrency: CLIENTS };

/** Loads what is loaded on first use, without reaching the memory that the work needs. */
const WARM_UP = { count: 20, concurrency: 1 };
const SMALL = 64 * KILOBYTE;

const BAR = { growth: 64 * MEGABYTE };

/** @param {boolean} quick @returns {Scenario[]} */
export function memoryScenarios(quick) {
  const size = quick ? 256 * MEGABYTE : 2 * GIGABYTE;
  return [uploads(size), downloads(size)];
}

/** @param {number} size @returns {Scenario} */
function uploads(size) {
  const candidates = [
    uploader('multer.diskStorage', 'multer', true, size),
    { ...uploader('depot.upload()', 'filedepot', true, size), bar: BAR },
    { ...uploader('depot.receive(), raw body', 'filedepot', false, size), bar: BAR },
  ];
  const title = `${CLIENTS} clients upload ${size / MEGABYTE} MB each, at once`;
  return { name: 'memory-upload', title, rounds: 3, operations: CLIENTS, operationBytes: size, candidates };
}

/** @param {string} name @param {string} app @param {boolean} form @param {number} size @returns {Candidate} */
function uploader(name, app, form, size) {
  const plan = { method: form ? 'POST' : 'PUT', form, path: '/files', bodySize: size, status: 201 };
  const traffic = { plan, load: LOAD, warmUp: WARM_UP, warmUpPlan: { ...plan, bodySize: SMALL } };
  return {
    name,
    start: ({ client, folder }) => startServer(client, { app: `uploads/${app}`, folder }, traffic),
    verify: ({ folder }) => verifyFiles(folder, size, CLIENTS),
  };
}

/** @param {number} size @returns {Scenario} */
function downloads(size) {
  const path = (/** @type {string} */ name) => () => `/${name}.bin`;
  const inDepot =
    (/** @type {string} */ name) =>
    (/** @type {Context} */ { shared }) =>
      depotPath(shared, name);
  const candidates = [
    downloader('express.static', 'expressStatic', path, size),
    { ...downloader('depot.middleware()', 'filedepot', inDepot, size), bar: BAR },
  ];
  const title = `${CLIENTS} clients download ${size / MEGABYTE} MB each, at once`;
  const prepare = (/** @type {string} */ folder) => prepareFiles(folder, { large: size, small: SMALL });
  return {
    name: 'memory-download',
    title,
    rounds: 3,
    operations: CLIENTS,
    operationBytes: size,
    candidates,
    prepare,
  };
}

/**
 * @param {string} name @param {string} app @param {(file: string) => (context: Context) => string} pathOf
 * @param {number} size @returns {Candidate}
 */
function downloader(name, app, pathOf, size) {
  return {
    name,
    start: (context) => {
      const plan = { method: 'GET', path: pathOf('large')(context), status: 200, answerSize: size };
      const warmUpPlan = { ...plan, path: pathOf('small')(context), answerSize: SMALL };
      const server = { app: `downloads/${app}`, folder: context.shared };
      return startServer(context.client, server, { plan, load: LOAD, warmUp: WARM_UP, warmUpPlan });
    },
  };
}
