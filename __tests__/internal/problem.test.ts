import { afterAll, describe, expect, test } from '@jest/globals';
import { DepotError, FileNotFoundError } from '../../lib/errors.js';
import { sendProblem, toProblem } from '../../lib/internal/problem.js';
import { ask, problemOf, TestServers } from '../support/serving.js';

const servers = new TestServers();
afterAll(() => servers.close());

const SERVER_ERROR = { type: 'about:blank', title: 'Internal Server Error', status: 500 };

describe('RFC 9457: a problem', () => {
  test('of ours tells what happened, and the title is the phrase of its status (section 4.2.1)', () => {
    expect(toProblem(new FileNotFoundError('x')).body).toEqual({
      type: 'about:blank',
      title: 'Not Found',
      status: 404,
      detail: 'There is no file "x"',
      code: 'FILE_NOT_FOUND',
    });
  });

  test('of a server hides its message (section 5)', () => {
    expect(toProblem(new DepotError('STORAGE_FULL', 'No space left in /var/secret')).body).toEqual({
      type: 'about:blank',
      title: 'Insufficient Storage',
      status: 507,
      detail: 'Storage full',
      code: 'STORAGE_FULL',
    });
  });

  test.each([
    new Error('the password is x'),
    'text',
    undefined,
    null,
    { status: 404 },
    Object.assign(new Error('secret'), { status: 200 }),
    Object.assign(new Error('secret'), { code: 'ENOENT', path: '/secret' }),
    Object.assign(new Error('secret'), { status: '400' }),
  ])('of anything else tells nothing (section 5): %p', (error) => {
    expect(toProblem(error)).toMatchObject({ status: 500 });
    expect(toProblem(error).body).toEqual(SERVER_ERROR);
  });

  test('of http-errors has its status, and its message where that is meant to be seen', () => {
    const unauthorized = Object.assign(new Error('Who are you?'), { status: 401, expose: true });
    expect(toProblem(unauthorized).body).toMatchObject({ status: 401, detail: 'Who are you?' });
    const upstream = Object.assign(new Error('secret'), { statusCode: 403 });
    expect(toProblem(upstream).body).toEqual({ type: 'about:blank', title: 'Forbidden', status: 403 });
  });
});

describe('an answer', () => {
  test('is kept by nobody', async () => {
    const port = await servers.listen((_req, res) =>
      sendProblem(res, new DepotError('FORBIDDEN'), { Connection: 'close' }),
    );
    const answer = await ask(port, '/');
    expect(answer.status).toBe(403);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/problem+json',
      'content-length': String(answer.body.byteLength),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      connection: 'close',
    });
    expect(problemOf(answer)).toMatchObject({ status: 403, code: 'FORBIDDEN' });
  });

  test('that has begun is cut off', async () => {
    const port = await servers.listen((_req, res) => {
      res.writeHead(200, { 'Content-Length': 10 });
      res.write('12345', () => sendProblem(res, new Error('late')));
    });
    await expect(ask(port, '/')).rejects.toThrow('aborted');
  });
});
