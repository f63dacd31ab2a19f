import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { beforeEach, expect, test } from '@jest/globals';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { receiveFile } from '../../lib/upload/receive-file.js';
import { uploadFiles } from '../../lib/upload/upload-files.js';
import { FORM_TYPE, formBody } from '../support/multipart.js';
import { directoryOf, idsIn } from '../support/upload-server.js';

const FORM = formBody([{ name: 'file', filename: 'a.txt', content: 'hello' }]);

let storage: MemoryStorage;

beforeEach(() => {
  storage = new MemoryStorage();
});

/** A request as adapters for cloud functions make one: its socket is none, and its body comes at once, or never. */
function madeUpRequest(body: Buffer | undefined, headers: Record<string, string> = {}): IncomingMessage {
  const socket = { encrypted: true, readable: false, remoteAddress: '::1', end() {}, destroy() {} };
  const request = new IncomingMessage(socket as unknown as Socket);
  request._read = () => {
    if (!body) return;
    request.push(body);
    request.push(null);
  };
  const length = String(body?.length ?? 10);
  const version = { httpVersion: '1.1', httpVersionMajor: 1, httpVersionMinor: 1 };
  return Object.assign(request, {
    complete: true,
    method: 'POST',
    headers: { 'content-length': length, ...headers },
    ...version,
  });
}

function upload(request: IncomingMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    const handler = uploadFiles(directoryOf({ files: storage }), { timeout: 60_000 }).single('file');
    handler(request, new ServerResponse(request), (error) => (error ? reject(error) : resolve()));
  });
}

const WAYS: Record<
  string,
  (body: Buffer | undefined) => { request: IncomingMessage; stored: Promise<unknown> }
> = {
  form: (body) => {
    const request = madeUpRequest(body && FORM, { 'content-type': FORM_TYPE });
    return { request, stored: upload(request) };
  },
  body: (body) => {
    const request = madeUpRequest(body);
    return { request, stored: receiveFile(directoryOf({ files: storage }), request) };
  },
};

test.each(Object.entries(WAYS))('a %s without a connection is stored', async (_way, send) => {
  await send(Buffer.from('hello')).stored;
  const [id = ''] = await idsIn(storage);
  await expect((await storage.get(id)).text()).resolves.toBe('hello');
});

test.each(Object.entries(WAYS))('a %s whose request is closed before its end is not', async (_way, send) => {
  const { request, stored } = send(undefined);
  setImmediate(() => request.emit('close'));
  await expect(stored).rejects.toMatchObject({ code: 'UPLOAD_ABORTED' });
  expect(await idsIn(storage)).toEqual([]);
});
