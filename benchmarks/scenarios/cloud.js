// @ts-check
import { randomBytes, randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { startServer } from '../harness/subjects.js';
import { KILOBYTE, MEGABYTE } from './sizes.js';

/** @typedef {import('../harness/types.js').Bar} Bar */
/** @typedef {import('../harness/types.js').Candidate} Candidate */
/** @typedef {import('../harness/types.js').Context} Context */
/** @typedef {import('../harness/types.js').Load} Load */
/** @typedef {import('../harness/types.js').RequestPlan} RequestPlan */
/** @typedef {import('../harness/types.js').Scenario} Scenario */

/**
 * A place of its own at a server, for one run or for what all runs read.
 * @typedef {object} Place
 * @property {object} settings what applications need to know
 * @property {() => Promise<number[]>} sizes bytes of each file there
 * @property {() => Promise<void>} clear
 */

/**
 * A kind of server, and what is told apart by it.
 * @typedef {object} Cloud
 * @property {string} name
 * @property {string} title
 * @property {(folder: string) => Promise<{ stop(): Promise<void>, open(): Promise<Place> }>} start
 * @property {(settings: any) => Promise<{ create(content: Buffer | AsyncIterable<Buffer>): Promise<{ id: string }>, close(): Promise<void> }>} depot
 */

/** @type {Cloud} */
const S3 = {
  name: 's3',
  title: 'S3',
  start: async (folder) => {
    const { startS3 } = await import('../harness/storage-servers.js');
    const { address, objects, stop } = await startS3(folder);
    return { stop, open: () => openBucket(address, objects) };
  },
  depot: async (settings) => (await import('../candidates/cloud.js')).s3Depot(settings),
};

/** @type {Cloud} */
const GRIDFS = {
  name: 'gridfs',
  title: 'GridFS',
  start: async (folder) => {
    const { startMongo } = await import('../harness/storage-servers.js');
    const { url, stop } = await startMongo(folder);
    return { stop, open: async () => openDatabase(url) };
  },
  depot: async (settings) => (await import('../candidates/cloud.js')).gridFSDepot(settings),
};

/** @param {boolean} quick @returns {Scenario[]} */
export function cloudScenarios(quick) {
  const times = (/** @type {number} */ count) => (quick ? Math.ceil(count / 4) : count);
  const large = {
    title: 'one upload of 256 MB at a time',
    size: 256 * MEGABYTE,
    load: { count: times(4), concurrency: 1 },
    warmUp: { count: 1, concurrency: 1 },
  };
  const small = {
    title: '500 uploads of 64 KB, 16 at once',
    size: 64 * KILOBYTE,
    load: { count: 500, concurrency: 16 },
    warmUp: { count: 200, concurrency: 16 },
  };
  const toS3 = { peer: 'multer-s3', app: 'multerS3', own: 'depotS3' };
  const toGridFS = { peer: 'multer-gridfs-storage', app: 'multerGridFS', own: 'depotGridFS' };
  const downloads = { size: 256 * MEGABYTE, load: { count: times(8), concurrency: 2 } };
  return [
    uploads('large', S3, large, { ...toS3, bar: { speed: 1.5, cpu: 0.5 } }),
    uploads('small', S3, small, { ...toS3, bar: { speed: 1.05, cpu: 0.9 } }),
    uploads('large', GRIDFS, large, { ...toGridFS, bar: { speed: 1 } }),
    uploads('small', GRIDFS, small, { ...toGridFS, bar: { speed: 1.3 } }),
    reading(S3, {
      name: 'redirect',
      title: 'redirects to a private file of S3, 16 at once',
      peer: ['getSignedUrl each time', 'signEach'],
      own: 'depotRedirects',
      file: KILOBYTE,
      answer: { status: 302 },
      load: { count: times(8000), concurrency: 16 },
      bar: { speed: 5 },
    }),
    ...[
      { cloud: S3, peer: ['GetObject, piped', 'pipeS3'], own: 'depotStreamsS3' },
      { cloud: GRIDFS, peer: ['GridFSBucket, piped', 'pipeGridFS'], own: 'depotStreamsGridFS' },
    ].map(({ cloud, peer: [name = '', app = ''], own }) =>
      reading(cloud, {
        name: `download-${cloud.name}`,
        title: `256 MB from ${cloud.title} through the server, 2 at once`,
        peer: [name, app],
        own,
        file: downloads.size,
        answer: { status: 200, answerSize: downloads.size },
        load: downloads.load,
        bar: { speed: 0.9 },
      }),
    ),
  ];
}

/**
 * @param {string} name @param {Cloud} cloud
 * @param {{ title: string, size: number, load: Load, warmUp: Load }} work
 * @param {{ peer: string, app: string, own: string, bar: Bar }} who
 * @returns {Scenario}
 */
function uploads(name, cloud, { title, size, load, warmUp }, { peer, app, own, bar }) {
  const server = serverOf(cloud);
  const plan = { method: 'POST', form: true, path: '/files', bodySize: size, status: 201 };
  /** @param {string} title @param {string} app @returns {Candidate} */
  const candidate = (title, app) => {
    /** @type {Place} */
    let place;
    return {
      name: title,
      start: async ({ client, folder }) => {
        place = await server.open();
        const { settings } = place;
        return startServer(client, { app: `cloud/${app}`, folder, settings }, { plan, load, warmUp });
      },
      verify: async () => {
        const sizes = await place.sizes();
        await place.clear();
        const whole = sizes.filter((found) => found === size).length;
        const count = load.count + warmUp.count;
        if (whole !== count) throw new Error(`${whole} whole files are stored instead of ${count}`);
      },
    };
  };
  return {
    name: `${cloud.name}-upload-${name}`,
    title: `${title}, to ${cloud.title}`,
    rounds: 5,
    operations: load.count,
    operationBytes: size,
    candidates: [candidate(peer, app), { ...candidate('depot.upload()', own), bar }],
    prepare: server.start,
    finish: server.stop,
  };
}

/**
 * @param {Cloud} cloud
 * @param {{ name: string, title: string, peer: [string, string], own: string, file: number, load: Load, bar: Bar,
 *   answer: Pick<RequestPlan, 'status' | 'answerSize'> }} work
 * @returns {Scenario}
 */
function reading(cloud, { name, title, peer, own, file, answer, load, bar }) {
  const server = serverOf(cloud);
  /** @type {{ place: Place, id: string }} */
  let stored;
  const warmUp = { count: Math.ceil(load.count / 4), concurrency: load.concurrency };
  /** @param {string} title @param {string} app @param {string} folderOfUrl @returns {Candidate} */
  const candidate = (title, app, folderOfUrl) => ({
    name: title,
    start: ({ client, folder }) => {
      const { settings } = stored.place;
      const plan = { method: 'GET', path: `${folderOfUrl}/${stored.id}`, ...answer };
      return startServer(client, { app: `cloud/${app}`, folder, settings }, { plan, load, warmUp });
    },
  });
  return {
    name,
    title,
    rounds: 5,
    operations: load.count,
    operationBytes: answer.answerSize ?? 0,
    candidates: [
      candidate(...peer, '/files'),
      { ...candidate('depot.middleware()', own, '/depot/files'), bar },
    ],
    prepare: async (folder) => {
      await server.start(folder);
      stored = await storeFile(cloud, await server.open(), file);
    },
    finish: server.stop,
  };
}

/** One server for all runs of a scenario. @param {Cloud} cloud */
function serverOf(cloud) {
  /** @type {Awaited<ReturnType<Cloud['start']>> | undefined} */
  let server;
  return {
    start: async (/** @type {string} */ folder) => {
      server = await cloud.start(folder);
    },
    open: () => /** @type {NonNullable<typeof server>} */ (server).open(),
    stop: async () => server?.stop(),
  };
}

/** @param {Cloud} cloud @param {Place} place @param {number} size */
async function storeFile(cloud, place, size) {
  const depot = await cloud.depot(place.settings);
  const { id } = await depot.create(randomContent(size));
  await depot.close();
  return { place, id };
}

/** @param {number} size */
async function* randomContent(size) {
  const block = randomBytes(Math.min(size, 4 * MEGABYTE));
  for (let left = size; left > 0; left -= block.byteLength) yield block.subarray(0, left);
}

/**
 * The server's buckets are folders.
 * @param {import('../harness/storage-servers.js').S3Address} address @param {string} objects @returns {Promise<Place>}
 */
async function openBucket(address, objects) {
  const bucket = `run-${randomUUID()}`;
  const { CreateBucketCommand, S3Client } = await import('@aws-sdk/client-s3');
  const client = new S3Client({ ...address, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  const folder = join(objects, bucket);
  await mkdir(folder, { recursive: true });
  return {
    settings: { ...address, bucket },
    sizes: async () => {
      const entries = await readdir(folder, { withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile());
      return Promise.all(files.map(async ({ name }) => (await stat(join(folder, name))).size));
    },
    clear: async () => rmSync(folder, { recursive: true }),
  };
}

/** @param {string} url @returns {Place} */
function openDatabase(url) {
  const database = `run-${randomUUID()}`;
  /** @template Result @param {(db: import('mongodb').Db) => Promise<Result>} act */
  const inDatabase = async (act) => {
    const { MongoClient } = await import('mongodb');
    const client = await MongoClient.connect(url);
    try {
      return await act(client.db(database));
    } finally {
      await client.close();
    }
  };
  return {
    settings: { url, database },
    sizes: () =>
      inDatabase(async (db) => {
        const documents = await db.collection('files.files').find().toArray();
        return documents.map(({ length }) => Number(length));
      }),
    clear: () =>
      inDatabase(async (db) => {
        await db.dropDatabase();
      }),
  };
}
