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
 * From here on files stay until the end of the scenario: ext4 does not use the inodes of files that were just deleted, and
 * searching for others would burden whoever makes the most files.
 */
const MANY_FILES = 100;

/**
 * Measures the candidates of a scenario, interleaved; every round begins with another one.
 * @param {Scenario} scenario
 * @param {{ folder: string, rounds: number, onRun: (candidate: string, round: number, run: Run) => void }} options
 */
export async function measureScenario(scenario, { folder, rounds, onRun }) {
  const shared = join(folder, 'shared');
  const client = startLoadGenerator();
  const { candidates } = scenario;
  /** @type {Map<string, Run[]>} */
  const runs = new Map(candidates.map(({ name }) => [name, []]));
  try {
    mkdirSync(shared, { recursive: true });
    await scenario.prepare?.(shared);
    for (let round = 0; round < rounds; round += 1) {
      for (const candidate of rotated(candidates, round)) {
        const home = join(folder, `run-${candidates.indexOf(candidate)}-${round}`);
        const run = await measureCandidate(scenario, candidate, { folder: home, shared, client });
        runs.get(candidate.name)?.push(run);
        onRun(candidate.name, round, run);
      }
    }
  } finally {
    await client.stop();
    await scenario.finish?.();
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
  settleDisk();
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
    if (scenario.operations < MANY_FILES) rmSync(context.folder, { recursive: true, force: true });
  }
}

/** Waits until the disk has nothing left to do. */
function settleDisk() {
  if (process.platform !== 'win32') execFileSync('sync');
}

/** @template Item @param {readonly Item[]} items @param {number} by @returns {Item[]} */
function rotated(items, by) {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
