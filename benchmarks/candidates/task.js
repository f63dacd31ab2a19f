// @ts-check
import { answerCalls } from '../harness/child.js';
import { ownUsage, resetPeakMemory } from '../harness/usage.js';
import { tasks } from './tasks.js';

/** @typedef {import('./tasks.js').Task} Task */

/** @type {Task | undefined} */
let task;

/** @param {{ task: keyof typeof tasks, folder: string, settings?: any }} options */
async function start({ task: name, folder, settings }) {
  task = await tasks[name](folder, settings);
}

async function work() {
  const started = performance.now();
  await task?.work();
  return { seconds: (performance.now() - started) / 1e3, clientCpu: 0 };
}

answerCalls({
  start,
  warmUp: () => task?.warmUp(),
  work,
  usage: (reset) => {
    if (reset) resetPeakMemory(process.pid);
    return ownUsage();
  },
});
