// @ts-check
// Has a guarded server with a folder of its own, says the server's id, and waits to be ended.
import { fork } from 'node:child_process';
import { join } from 'node:path';

const [folder = ''] = process.argv.slice(2);
const guard = fork(
  join(import.meta.dirname, '../servers/guard.js'),
  [folder, process.execPath, '--eval', 'setInterval(() => {}, 1000)'],
  { detached: true },
);
guard.once('message', (server) => console.log(server));
