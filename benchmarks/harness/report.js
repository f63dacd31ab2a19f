// @ts-check
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';

/** @typedef {import('./types.js').ScenarioResult} ScenarioResult */
/** @typedef {import('./types.js').CandidateResult} CandidateResult */

const MEGABYTE = 1024 * 1024;

const PEERS = [
  '@aws-sdk/client-s3',
  'busboy',
  'express',
  'formidable',
  'mongodb',
  'multer',
  'multer-gridfs-storage',
  'multer-s3',
  'sirv',
];

/** Share of a core from which on the load generator may be what limits. */
const BUSY_CLIENT = 0.85;

const COLUMNS = [
  '',
  'per second',
  'MB/s',
  'CPU ms each',
  'speed',
  '(min-max)',
  'CPU',
  '(min-max)',
  'idle MB',
  'growth MB',
  'client',
  'bar',
];

/** The machine and the versions that the figures belong to. */
export function environment() {
  const [cpu] = cpus();
  const require = createRequire(import.meta.url);
  const version = (/** @type {string} */ name) => [
    name,
    require(`../node_modules/${name}/package.json`).version,
  ];
  return {
    date: new Date().toISOString(),
    node: process.version,
    system: `${process.platform} ${release()}`,
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    peers: Object.fromEntries(PEERS.map(version)),
  };
}

/** A scenario as a table of text. @param {ScenarioResult} result */
export function formatScenario(result) {
  const rows = [COLUMNS, ...result.candidates.map(row)];
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  const lines = rows.map((cells) =>
    cells
      .map((cell, column) => pad(cell, widths[column] ?? 0, column))
      .join('  ')
      .trimEnd(),
  );
  return `\n${result.name}: ${result.title} (${result.rounds} rounds)\n${lines.join('\n')}`;
}

/** @param {CandidateResult} candidate @returns {string[]} */
function row(candidate) {
  const { operationsPerSecond, bytesPerSecond, cpuPerOperation, speedRatio, cpuRatio } = candidate;
  return [
    candidate.name,
    significant(operationsPerSecond.median),
    significant(bytesPerSecond.median / MEGABYTE),
    significant(cpuPerOperation.median * 1e3),
    `${speedRatio.median.toFixed(2)}x`,
    range(speedRatio),
    `${cpuRatio.median.toFixed(2)}x`,
    range(cpuRatio),
    (candidate.idleMemory.median / MEGABYTE).toFixed(0),
    (candidate.memoryGrowth.median / MEGABYTE).toFixed(0),
    client(candidate),
    barText(candidate),
  ];
}

/** @param {CandidateResult} candidate */
function client({ clientBusy }) {
  const percent = `${(clientBusy.median * 100).toFixed(0)}%`;
  return clientBusy.median >= BUSY_CLIENT ? `${percent}!` : percent;
}

/** @param {import('./types.js').Spread} spread */
function range({ min, max }) {
  return `(${min.toFixed(2)}-${max.toFixed(2)})`;
}

/** @param {number} value */
function significant(value) {
  if (value >= 100) return value.toFixed(0);
  return value.toPrecision(3);
}

/** @param {string} cell @param {number} width @param {number} column */
function pad(cell, width, column) {
  return column === 0 || column === COLUMNS.length - 1 ? cell.padEnd(width) : cell.padStart(width);
}

/** What of its bar a candidate reached. @param {CandidateResult} candidate */
export function checkBar({ bar, speedRatio, cpuRatio, memoryGrowth }) {
  const checks = [];
  if (bar?.speed)
    checks.push({ what: `>= ${Number(bar.speed.toFixed(2))}x speed`, met: speedRatio.median >= bar.speed });
  if (bar?.cpu) checks.push({ what: `<= ${bar.cpu.toFixed(2)}x CPU`, met: cpuRatio.median <= bar.cpu });
  if (bar?.growth)
    checks.push({ what: `< ${bar.growth / MEGABYTE} MB growth`, met: memoryGrowth.max < bar.growth });
  return checks;
}

/** @param {CandidateResult} candidate */
function barText(candidate) {
  return checkBar(candidate)
    .map(({ what, met }) => `${met ? 'ok' : 'MISSED'} ${what}`)
    .join(', ');
}

/** Keeps the figures as JSON, and says where. @param {string} folder @param {readonly ScenarioResult[]} scenarios */
export function writeResults(folder, scenarios) {
  const about = environment();
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${about.date.replaceAll(':', '-')}.json`);
  writeFileSync(path, `${JSON.stringify({ ...about, scenarios }, undefined, 2)}\n`);
  return path;
}
