// @ts-check
/** @typedef {import('./types.js').Run} Run */
/** @typedef {import('./types.js').Scenario} Scenario */

/** @param {readonly number[]} values @returns {import('./types.js').Spread} */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const [low = Number.NaN, high = low] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]];
  return { median: (low + high) / 2, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

/**
 * What the runs of all candidates say. Ratios are taken within a round, where both met the same machine.
 * @param {Scenario} scenario
 * @param {ReadonlyMap<string, readonly Run[]>} runs by candidate
 * @returns {import('./types.js').ScenarioResult}
 */
export function summarize(scenario, runs) {
  const { name, title, candidates } = scenario;
  const baseline = runs.get(candidates[0]?.name ?? '') ?? [];
  const results = candidates.map((candidate) => {
    const own = runs.get(candidate.name) ?? [];
    return { name: candidate.name, bar: candidate.bar, ...absolutes(own), ...ratios(own, baseline) };
  });
  return { name, title, rounds: baseline.length, candidates: results };
}

/** @param {readonly Run[]} runs */
function absolutes(runs) {
  const each = (/** @type {(run: Run) => number} */ value) => spread(runs.map(value));
  return {
    operationsPerSecond: each((run) => run.operations / run.seconds),
    bytesPerSecond: each((run) => run.bytes / run.seconds),
    cpuPerOperation: each((run) => run.cpu / run.operations),
    idleMemory: each((run) => run.idleMemory),
    peakMemory: each((run) => run.peakMemory),
    memoryGrowth: each((run) => run.peakMemory - run.idleMemory),
    clientBusy: each((run) => run.clientCpu / run.seconds),
  };
}

/** @param {readonly Run[]} runs @param {readonly Run[]} baseline */
function ratios(runs, baseline) {
  const each = (/** @type {(run: Run, base: Run) => number} */ ratio) =>
    spread(runs.map((run, round) => ratio(run, /** @type {Run} */ (baseline[round]))));
  return {
    speedRatio: each((run, base) => run.operations / run.seconds / (base.operations / base.seconds)),
    cpuRatio: each((run, base) => run.cpu / run.operations / (base.cpu / base.operations)),
  };
}
