import type { ServerResponse } from 'node:http';
import { afterEach, expect, jest, test } from '@jest/globals';
import express from 'express';
import multer from 'multer';
import { DepotError } from '../../lib/errors.js';
import { errorHandler } from '../../lib/upload/error-handler.js';
import { requestHead } from '../support/upload-client.js';
import { TestServer } from '../support/upload-server.js';

let server: TestServer;
const onError = jest.fn();

afterEach(async () => {
  await server.close();
  onError.mockReset();
});

/** Answers with what becomes of an error. */
async function answerTo(error: unknown, act: (res: ServerResponse) => void = () => {}) {
  const passedOn = jest.fn();
  const app = express();
  app.get('/', (_req, res, next) => {
    act(res);
    next(error);
  });
  app.use(errorHandler({ onError }));
  app.use((unknown: unknown, _req: unknown, res: express.Response, _next: unknown) => {
    passedOn(unknown);
    res.end('passed on');
  });
  server = await TestServer.listen(app);
  return { answer: await server.send(requestHead('/', {}, 'GET')), passedOn };
}

test('errors of filedepot are answered as problem details', async () => {
  const { answer, passedOn } = await answerTo(new DepotError('FILE_TOO_LARGE', 'Larger than 5 bytes'));
  expect(answer.status).toBe(413);
  expect(answer.head).toMatch(/^content-type: application\/problem\+json/im);
  const detail = 'Larger than 5 bytes';
  expect(answer.problem).toMatchObject({ type: 'about:blank', status: 413, detail, code: 'FILE_TOO_LARGE' });
  expect(passedOn).not.toHaveBeenCalled();
});

test('what went wrong inside is not told', async () => {
  const { answer } = await answerTo(new DepotError('STORAGE_FAILED', 'EIO in /var/secret'));
  expect(answer.problem).toMatchObject({ status: 500, code: 'STORAGE_FAILED' });
  expect(answer.body).not.toContain('secret');
});

test('but to the application, which hears nothing of what clients do wrong', async () => {
  const error = new DepotError('MISSING_PACKAGE', 'npm install sharp');
  await answerTo(error);
  expect(onError).toHaveBeenCalledWith(error, expect.objectContaining({ url: '/' }));
  await server.close();
  onError.mockReset();
  await answerTo(new DepotError('FILE_TOO_LARGE'));
  expect(onError).not.toHaveBeenCalled();
});

test('a log that fails leaves no client without an answer', async () => {
  const warning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  onError.mockImplementation(() => {
    throw new Error('The disk of the log is full');
  });
  expect((await answerTo(new DepotError('STORAGE_FAILED'))).answer.status).toBe(500);
  expect(warning).toHaveBeenCalledWith(expect.stringContaining('The disk of the log is full'));
  warning.mockRestore();
});

test('without a log of its own, the process warns', async () => {
  const warning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const next = jest.fn();
  const app = express().get('/', (_req, _res, next) =>
    next(new DepotError('MISSING_PACKAGE', 'npm install sharp')),
  );
  server = await TestServer.listen(app.use(errorHandler()).use(next));
  expect((await server.send(requestHead('/', {}, 'GET'))).status).toBe(500);
  expect(warning).toHaveBeenCalledWith(expect.stringContaining('npm install sharp'));
  warning.mockRestore();
});

test("errors of multer's, where the application uses multer itself", async () => {
  const { answer } = await answerTo(new multer.MulterError('LIMIT_FIELD_COUNT'));
  expect(answer.problem).toMatchObject({ status: 413, code: 'TOO_MANY_FIELDS' });
});

test.each(['status', 'statusCode'])('errors with a %s', async (name) => {
  const error = Object.assign(new Error('No tea'), { [name]: 418, expose: true });
  expect((await answerTo(error)).answer.problem).toMatchObject({ status: 418, detail: 'No tea' });
});

test.each([
  new Error('a bug'),
  Object.assign(new Error('odd'), { status: 200 }),
  Object.assign(new Error('odd'), { status: '404' }),
  'text',
])('%p is left to the next handler', async (error) => {
  const { passedOn } = await answerTo(error);
  expect(passedOn).toHaveBeenCalledWith(error);
});

test('an answer that has begun is left to the next handler', async () => {
  const error = new DepotError('FILE_NOT_FOUND');
  const { passedOn } = await answerTo(error, (res) => res.writeHead(200).flushHeaders());
  expect(passedOn).toHaveBeenCalledWith(error);
});
