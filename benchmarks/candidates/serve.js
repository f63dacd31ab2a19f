// @ts-check
import { once } from 'node:events';
import { createServer } from 'node:http';
import { answerCalls } from '../harness/child.js';
import { ownUsage, resetPeakMemory } from '../harness/usage.js';

/** Starts the server of one candidate. @param {{ app: string, folder: string, settings?: object }} options */
async function start({ app, folder, settings = {} }) {
  const [module = '', name = ''] = app.split('/');
  const candidates = await import(`./${module}.js`);
  const server = createServer(await candidates[name](folder, settings));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return /** @type {import('node:net').AddressInfo} */ (server.address()).port;
}

answerCalls({
  start,
  usage: (reset) => {
    if (reset) resetPeakMemory(process.pid);
    return ownUsage();
  },
});
