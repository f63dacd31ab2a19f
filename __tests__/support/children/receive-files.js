// @ts-check
// A server for uploads by forms (POST) and as bodies (PUT) that says its port, and of a GET how much memory it has had since
// the last one.
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { DepotManager } from 'filedepot';

const depot = new DepotManager();
depot.configure('default', { backend: 'local', storagePath: process.argv[2] ?? '', durability: 'rename' });
const receiveForm = depot.upload().any();

const server = createServer((req, res) => {
  /** @param {unknown} [error] */
  const answer = (error) => {
    res.statusCode = error ? 500 : 201;
    res.end(String(error ?? ''));
  };
  if (req.method === 'GET') res.end(String(takePeakMegabytes()));
  else if (req.method === 'POST') receiveForm(req, res, answer);
  else depot.receive(req).then(() => answer(), answer);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(typeof address === 'object' ? address?.port : '');
});

/** Linux, proc(5): the peak, which begins anew. */
function takePeakMegabytes() {
  const [, kilobytes] = /^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  writeFileSync('/proc/self/clear_refs', '5');
  return Number(kilobytes) / 1024;
}
