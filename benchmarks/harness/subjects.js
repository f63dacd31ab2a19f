// @ts-check
import { Child } from './child.js';

/** @typedef {import('./types.js').Subject} Subject */
/** @typedef {import('./types.js').Load} Load */
/** @typedef {import('./types.js').RequestPlan} RequestPlan */

/**
 * A server in a fresh Node process, under load from the load generator's process.
 * @param {import('./types.js').LoadGenerator} client
 * @param {{ app: string, folder: string, settings?: object }} server `app` is `<module of candidates>/<export>`
 * @param {{ plan: RequestPlan, load: Load, warmUp: Load, warmUpPlan?: RequestPlan }} traffic
 * @returns {Promise<Subject>}
 */
export async function startServer(client, server, traffic) {
  const child = new Child('../candidates/serve.js');
  const port = await child.call('start', server);
  return {
    ...loaded(client, port, traffic),
    usage: (reset) => child.call('usage', reset),
    stop: () => child.stop(),
  };
}

/**
 * How a server at a port is put under load.
 * @param {import('./types.js').LoadGenerator} client
 * @param {number} port
 * @param {{ plan: RequestPlan, load: Load, warmUp: Load, warmUpPlan?: RequestPlan }} traffic
 * @returns {Pick<Subject, 'warmUp' | 'work'>}
 */
export function loaded(client, port, { plan, load, warmUp, warmUpPlan = plan }) {
  return {
    warmUp: async () => {
      await client.run({ port, plan: warmUpPlan, ...warmUp });
    },
    work: () => client.run({ port, plan, ...load }),
  };
}

/**
 * Work without HTTP in a fresh Node process.
 * @param {{ task: string, folder: string, settings?: object }} options `task` is an export of candidates/tasks.js
 * @returns {Promise<Subject>}
 */
export async function startTask(options) {
  const child = new Child('../candidates/task.js');
  await child.call('start', options);
  return {
    warmUp: () => child.call('warmUp'),
    work: () => child.call('work'),
    usage: (reset) => child.call('usage', reset),
    stop: () => child.stop(),
  };
}
