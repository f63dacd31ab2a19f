// @ts-check
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { startServer } from '../harness/subjects.js';
import { KILOBYTE, MEGABYTE } from './sizes.js';

/** @typedef {import('../harness/types.js').Bar} Bar */
/** @typedef {import('../harness/types.js').Candidate} Candidate */
/** @typedef {import('../harness/types.js').Load} Load */
/** @typedef {import('../harness/types.js').Scenario} Scenario */
/** @typedef {{ size: number, load: Load, warmUp: Load, fsync: boolean }} Uploads */

/** @param {boolean} quick @returns {Scenario[]} */
export function uploadScenarios(quick) {
  const large = {
    size: 256 * MEGABYTE,
    load: { count: quick ? 2 : 4, concurrency: 1 },
    warmUp: { count: 1, concurrency: 1 },
  };
  const small = {
    size: 64 * KILOBYTE,
    load: { count: 500, concurrency: 16 },
    warmUp: { count: 2000, concurrency: 16 },
  };
  const one = 'one upload of 256 MB at a time';
  const many = '500 uploads of 64 KB, 16 at once';
  return [
    scenario(
      'upload-large',
      `${one}, without fsync`,
      { ...large, fsync: false },
      {
        form: { speed: 1.5, cpu: 0.8 },
        raw: { speed: 2, cpu: 0.55 },
      },
    ),
    scenario(
      'upload-small',
      `${many}, without fsync`,
      { ...small, fsync: false },
      { form: { speed: 1.1, cpu: 1 } },
    ),
    scenario('upload-large-fsync', `${one}, with fsync`, { ...large, fsync: true }, {}),
    scenario('upload-small-fsync', `${many}, with fsync`, { ...small, fsync: true }, {}),
  ];
}

/**
 * @param {string} name @param {string} title @param {Uploads} uploads @param {{ form?: Bar, raw?: Bar }} bars
 * @returns {Scenario}
 */
function scenario(name, title, uploads, bars) {
  const { load, size, fsync } = uploads;
  const peers = fsync
    ? []
    : [form('busboy, write stream', 'busboy', uploads), form('formidable', 'formidable', uploads)];
  const candidates = [
    form(fsync ? 'multer.diskStorage, flush' : 'multer.diskStorage', 'multer', uploads),
    form('depot.upload()', 'filedepot', uploads, bars.form),
    raw('depot.receive(), raw body', 'filedepot', uploads, bars.raw),
    ...peers,
  ];
  return { name, title, rounds: 5, operations: load.count, operationBytes: size, candidates };
}

/** @param {string} name @param {string} app @param {Uploads} uploads @param {Bar} [bar] */
function form(name, app, uploads, bar) {
  return candidate(name, app, uploads, { method: 'POST', form: true }, bar);
}

/** @param {string} name @param {string} app @param {Uploads} uploads @param {Bar} [bar] */
function raw(name, app, uploads, bar) {
  return candidate(name, app, uploads, { method: 'PUT', form: false }, bar);
}

/**
 * @param {string} name @param {string} app @param {Uploads} uploads @param {{ method: string, form: boolean }} way
 * @param {Bar} [bar] @returns {Candidate}
 */
function candidate(name, app, { size, load, warmUp, fsync }, way, bar) {
  const plan = { ...way, path: '/files', bodySize: size, status: 201 };
  return {
    name,
    ...(bar && { bar }),
    start: ({ client, folder }) =>
      startServer(client, { app: `uploads/${app}`, folder, settings: { fsync } }, { plan, load, warmUp }),
    verify: ({ folder }) => verifyFiles(folder, size, load.count + warmUp.count),
  };
}

/** Every upload has to be there, in full. @param {string} folder @param {number} size @param {number} count */
export async function verifyFiles(folder, size, count) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(join(file.parentPath, file.name))).size),
  );
  const whole = sizes.filter((found) => found === size).length;
  if (whole !== count) throw new Error(`${whole} whole files are in the folder instead of ${count}`);
}
