// @ts-check
// The page with files on a disk of this machine.

import { start } from './application.js';

const { DEPOT_URL = 'file:./var/files' } = process.env;

await start({ url: DEPOT_URL });
