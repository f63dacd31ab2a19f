// @ts-check
// The catalogue with its products in SQLite: no server needed.

import { DepotManager } from 'filedepot';
import { serve } from '../catalogue/application.js';
import { openProducts } from './products.js';

const { DEPOT_URL = 'file:./var/catalogue/files', DATABASE = './var/catalogue/catalogue.sqlite' } =
  process.env;

async function start() {
  const depot = new DepotManager();
  depot.configure('default', DEPOT_URL);
  await depot.check();
  const products = await openProducts(depot, DATABASE);
  await depot.recover();
  await serve(depot, products);
}

await start().catch((error) => {
  console.error(`Cannot start: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
});
