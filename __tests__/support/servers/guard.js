// @ts-check
// Runs a server for as long as the process that asked for it lives: node guard.js FOLDER PROGRAM PARAMETERS...
// However that process ends, the channel to it closes, and the server and its folder go. A message is a signal for
// the server.
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';

const [folder = '', program = '', ...parameters] = process.argv.slice(2);
const server = spawn(program, parameters, { stdio: ['ignore', 'inherit', 'inherit'] });

server.once('spawn', () => process.send?.(server.pid));
server.once('error', (error) => {
  console.error(error);
  process.exit(1);
});
server.once('exit', (code) => {
  if (!process.connected) rmSync(folder, { recursive: true, force: true });
  process.exit(code ?? 1);
});

process.on('message', (/** @type {NodeJS.Signals} */ signal) => server.kill(signal));
process.once('disconnect', () => server.kill('SIGKILL'));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => server.kill('SIGKILL'));
