// @ts-check
// Gets the servers that the tests start, once, before the tests run: what is there already is left as it is, and a
// server that cannot be had is named, not fatal. Several of these may run at the same time.
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CACHE, findProgram, PROGRAMS, run } from './programs.js';

/** @typedef {import('./programs.js').Program} Program */
/** @typedef {import('./programs.js').ProgramName} ProgramName */

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => abort.abort());

/** @param {ProgramName} name */
function isMissing(name) {
  return !process.env[PROGRAMS[name].variable] && !findProgram(name);
}

/**
 * It appears in the cache whole and known to run, or not at all.
 * @param {Program} program
 */
async function install({ folder, executable, check, fill }) {
  const target = join(CACHE, folder);
  const partial = await mkdtemp(`${target}.partial-`);
  try {
    await fill(partial, abort.signal);
    await run(join(partial, executable), check, abort.signal);
    await rename(partial, target).catch((error) => ignoreIfThere(join(target, executable), error));
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/**
 * Another run may have been faster.
 * @param {string} path
 * @param {unknown} error
 */
async function ignoreIfThere(path, error) {
  await access(path).catch(() => {
    throw error;
  });
}

/** @param {Program} program */
async function installAudibly(program) {
  const start = performance.now();
  console.log(`Getting the ${program.title}; it is kept in ${CACHE}`);
  try {
    await install(program);
    console.log(`Got the ${program.title} in ${Math.round((performance.now() - start) / 1000)} s`);
  } catch (error) {
    console.error(`MISSING: the ${program.title}, whose tests cannot run: ${error}`);
  }
}

const missing = /** @type {ProgramName[]} */ (Object.keys(PROGRAMS)).filter(isMissing);
if (missing.length > 0) await mkdir(CACHE, { recursive: true });
await Promise.all(missing.map((name) => installAudibly(PROGRAMS[name])));
if (abort.signal.aborted) process.exitCode = 1;
