// @ts-check
import { readFileSync, writeFileSync } from 'node:fs';

/** @typedef {import('./types.js').Usage} Usage */

/** What this very process has used. @returns {Usage} */
export function ownUsage() {
  const { user, system } = process.cpuUsage();
  return { cpu: (user + system) / 1e6, ...(memoryOf(process.pid) ?? memoryWithoutProc()) };
}

/** What another process of one thread has used; Linux only. @param {number} pid @returns {Usage} */
export function usageOf(pid) {
  const [nanoseconds] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ');
  return { cpu: Number(nanoseconds) / 1e9, ...(memoryOf(pid) ?? memoryWithoutProc()) };
}

/** Lets the peak of a process's memory begin anew; only Linux can. @param {number} pid */
export function resetPeakMemory(pid) {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // Elsewhere the peak includes the start, which is small beside what is measured.
  }
}

/** @param {number} pid */
function memoryOf(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return { memory: kilobytes(status, 'VmRSS'), peakMemory: kilobytes(status, 'VmHWM') };
  } catch {
    return undefined;
  }
}

function memoryWithoutProc() {
  return { memory: process.memoryUsage.rss(), peakMemory: process.resourceUsage().maxRSS * 1024 };
}

/** @param {string} status @param {string} field */
function kilobytes(status, field) {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
}
