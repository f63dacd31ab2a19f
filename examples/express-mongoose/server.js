// @ts-check
// The catalogue with its products in MongoDB: a photo follows what Mongoose writes, and what a transaction undoes.

import { DepotManager } from 'filedepot';
import { serve } from '../catalogue/application.js';
import { openProducts } from './products.js';

const { MONGO_URL, DEPOT_URL = 'file:./var/catalogue/files' } = process.env;

/** @param {string} url */
async function start(url) {
  const depot = new DepotManager();
  depot.configure('default', DEPOT_URL);
  await depot.check();
  await serve(depot, await openProducts(depot, url));
}

if (MONGO_URL) {
  await start(MONGO_URL).catch((error) => {
    console.error(`Cannot start: ${error instanceof Error ? error.message : error}`);
    process.exit(1); // the connection would be tried again for ever
  });
} else {
  console.error('MONGO_URL must say where MongoDB is, e.g. mongodb://127.0.0.1/catalogue?replicaSet=rs0');
  process.exitCode = 1;
}
