// @ts-check
// All of a catalogue but its database: what a product's files are, the page, and the server that gives it.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { isIPv6 } from 'node:net';
import { createApp } from './routes.js';

export { photoField, sheetField } from './fields.js';

const { PORT = '3000', HOST = '127.0.0.1' } = process.env;

const SHUTDOWN_MILLISECONDS = 10_000;

/**
 * Serves a catalogue until a signal ends the process; resolves when it listens.
 * @param {import('filedepot').DepotManager} depot closed at the end, after `products`
 * @param {import('./products.js').ProductRepository} products
 */
export async function serve(depot, products) {
  const server = createServer(createApp(depot, products));
  server.listen(Number(PORT), HOST);
  await once(server, 'listening');
  const close = async () => {
    await products.close();
    await depot.close();
  };
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop(server, close));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  console.log(`Listening on http://${isIPv6(HOST) ? `[${HOST}]` : HOST}:${port}`);
}

/**
 * Lets what is under way finish, for a while; connections that clients keep open for later are closed.
 * @param {import('node:http').Server} server
 * @param {() => Promise<void>} close
 */
function stop(server, close) {
  const closing = setInterval(() => server.closeIdleConnections(), 100);
  setTimeout(() => server.closeAllConnections(), SHUTDOWN_MILLISECONDS).unref();
  server.close(() => {
    clearInterval(closing);
    close().catch((error) => {
      console.error(error);
      process.exitCode = 1;
    });
  });
}
