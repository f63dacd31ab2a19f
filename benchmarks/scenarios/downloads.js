// @ts-check
import { join } from 'node:path';
import { hasNginx, startNginx } from '../harness/nginx.js';
import { startServer } from '../harness/subjects.js';
import { depotPath, prepareFiles } from './files.js';
import { KILOBYTE, MEGABYTE } from './sizes.js';

/** @typedef {import('../harness/types.js').Candidate} Candidate */
/** @typedef {import('../harness/types.js').Context} Context */
/** @typedef {import('../harness/types.js').Load} Load */
/** @typedef {import('../harness/types.js').RequestPlan} RequestPlan */
/** @typedef {import('../harness/types.js').Scenario} Scenario */

/**
 * @typedef {object} Downloads
 * @property {string} name
 * @property {string} title
 * @property {number} fileSize bytes of the file
 * @property {number} answerSize bytes of the answer
 * @property {Partial<RequestPlan>} [request] what is asked for besides the path
 * @property {Load} load
 * @property {number} bar requests per second, as a ratio to express.static
 */

const RANGE_START = 100 * MEGABYTE;
const RANGE_SIZE = 64 * KILOBYTE;

/** @param {boolean} quick @returns {Scenario[]} */
export function downloadScenarios(quick) {
  const times = (/** @type {number} */ count) => (quick ? Math.ceil(count / 4) : count);
  const large = 256 * MEGABYTE;
  const range = `bytes=${RANGE_START}-${RANGE_START + RANGE_SIZE - 1}`;
  const small = { fileSize: 4 * KILOBYTE, load: { count: times(8000), concurrency: 16 }, bar: 1.2 };
  /** @type {Downloads[]} */
  const downloads = [
    {
      name: 'download-large',
      title: '256 MB, 4 at once',
      fileSize: large,
      answerSize: large,
      load: { count: times(16), concurrency: 4 },
      bar: 2,
    },
    {
      name: 'download-medium',
      title: '1 MB, 8 at once',
      fileSize: MEGABYTE,
      answerSize: MEGABYTE,
      load: { count: times(2000), concurrency: 8 },
      bar: 1.5,
    },
    {
      name: 'download-range',
      title: '64 KB by Range out of 256 MB, 16 at once',
      fileSize: large,
      answerSize: RANGE_SIZE,
      request: { range, status: 206 },
      load: { count: times(6000), concurrency: 16 },
      bar: 1.3,
    },
    { name: 'download-small', title: '4 KB, 16 at once', answerSize: 4 * KILOBYTE, ...small },
    {
      name: 'download-not-modified',
      title: '304 for a file that the client has, 16 at once',
      answerSize: 0,
      request: { conditional: true, status: 304 },
      ...small,
    },
  ];
  return downloads.map(scenario);
}

/** @param {Downloads} downloads @returns {Scenario} */
function scenario(downloads) {
  const { name, title, fileSize, answerSize, load, bar } = downloads;
  const plain = () => '/file.bin';
  const candidates = [
    nodeCandidate('express.static', 'expressStatic', downloads, plain),
    {
      ...nodeCandidate('depot.middleware()', 'filedepot', downloads, ({ shared }) =>
        depotPath(shared, 'file'),
      ),
      bar: { speed: bar, cpu: 1 / bar },
    },
    nodeCandidate('sirv', 'sirv', downloads, plain),
    ...(hasNginx ? [nginxCandidate(downloads)] : []),
  ];
  const prepare = (/** @type {string} */ folder) => prepareFiles(folder, { file: fileSize });
  return { name, title, rounds: 5, operations: load.count, operationBytes: answerSize, candidates, prepare };
}

/**
 * @param {string} name @param {string} app @param {Downloads} downloads @param {(context: Context) => string} pathOf
 * @returns {Candidate}
 */
function nodeCandidate(name, app, downloads, pathOf) {
  return {
    name,
    start: (context) => {
      const server = { app: `downloads/${app}`, folder: context.shared };
      return startServer(context.client, server, traffic(downloads, pathOf(context)));
    },
  };
}

/** @param {Downloads} downloads @returns {Candidate} */
function nginxCandidate(downloads) {
  return {
    name: 'nginx',
    start: ({ client, shared, folder }) =>
      startNginx(client, { root: join(shared, 'plain'), folder }, traffic(downloads, '/file.bin')),
  };
}

/** @param {Downloads} downloads @param {string} path */
function traffic({ request, load, answerSize }, path) {
  const plan = { method: 'GET', path, status: 200, answerSize, ...request };
  const warmUp = { count: Math.ceil(load.count / 4), concurrency: load.concurrency };
  return { plan, load, warmUp };
}
