// @ts-check
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from './child.js';
import { summarize } from './statistics.js';

/** @typedef {import('./types.js').Scenario} Scenario */
/** @typedef {import('./types.js').Candidate} Candidate */
/** @typedef {import('./types.js').Context} Context */
/** @typedef {import('./types.js').Run} Run */

/**
 * Measures the candidates of a scenario, interleaved; every round begins with another one.
 * @param {Scenario} scenario
 * @param {{ folder: string, rounds: number, onRun: (candidate: string, round: number, run: Run) => void }} options
 */
export async function measureScenario(scenario, { folder, rounds, onRun }) {
  const shared = join(folder, 'shared');
  const client = startLoadGenerator();
  /** @type {Map<string, Run[]>} */
  const runs = new Map(scenario.candidates.map(({ name }) => [name, []]));
  try {
    mkdirSync(shared, { recursive: true });
    await scenario.prepare?.(shared);
    for (let round = 0; round < rounds; round += 1) {
      for (const candidate of rotated(scenario.candidates, round)) {
        const run = await measureCandidate(scenario, candidate, {
          folder: join(folder, 'run'),
          shared,
          client,
        });
        runs.get(candidate.name)?.push(run);
        onRun(candidate.name, round, run);
      }
    }
  } finally {
    await client.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  return summarize(scenario, runs);
}

/** @returns {import('./types.js').LoadGenerator} */
function startLoadGenerator() {
  const child = new Child('./load.js');
  return { run: (job) => child.call('run', job), stop: () => child.stop() };
}

/**
 * One run: a fresh process, on a disk that has nothing left to write.
 * @param {Scenario} scenario @param {Candidate} candidate @param {Context} context @returns {Promise<Run>}
 */
async function measureCandidate(scenario, candidate, context) {
  clean(context.folder);
  const subject = await candidate.start(context);
  try {
    await subject.warmUp();
    const before = await subject.usage(true);
    const { seconds, clientCpu } = await subject.work();
    const after = await subject.usage(false);
    await candidate.verify?.(context);
    const { operations, operationBytes } = scenario;
    const [cpu, bytes] = [after.cpu - before.cpu, operations * operationBytes];
    return {
      seconds,
      operations,
      bytes,
      cpu,
      clientCpu,
      idleMemory: before.memory,
      peakMemory: after.peakMemory,
    };
  } finally {
    await subject.stop();
    clean(context.folder);
  }
}

/** Removes a run's files, and waits until the disk has nothing left to do. @param {string} folder */
function clean(folder) {
  rmSync(folder, { recursive: true, force: true });
  if (process.platform !== 'win32') execFileSync('sync');
}

/** @template Item @param {readonly Item[]} items @param {number} by @returns {Item[]} */
function rotated(items, by) {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
