import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import express, { type Request } from 'express';
import { errorHandler } from '../../lib/upload/error-handler.js';
import type { UploadOptions } from '../../lib/upload/options.js';
import { type UploadHandler, uploadFiles } from '../../lib/upload/upload-files.js';
import { BOUNDARY, FORM_TYPE, formBody, type Part } from '../support/multipart.js';
import { pngOf } from '../support/png.js';
import { type RawAnswer, requestHead } from '../support/upload-client.js';
import { directoryOf, idsIn, TemporaryStorage, TestServer } from '../support/upload-server.js';

const hello: Part = { name: 'file', filename: 'hello.txt', type: 'text/plain', content: 'hello' };

let temporary: TemporaryStorage;
let server: TestServer;
let handler: UploadHandler;
let received: Request;

function upload(options?: UploadOptions) {
  return uploadFiles(directoryOf({ files: temporary.storage }), options);
}

beforeAll(async () => {
  temporary = await TemporaryStorage.open();
  const app = express();
  app.post(
    '/',
    (req, res, next) => handler(req, res, next),
    (req, res) => {
      received = req;
      res.status(201).json({ body: req.body, file: req.file?.depot, files: req.files });
    },
  );
  app.use(errorHandler());
  server = await TestServer.listen(app);
});

afterAll(async () => {
  await server.close();
  await temporary.remove();
});

/** Whatever was sent: nothing half done stays, and the server goes on. */
afterEach(async () => {
  expect(await temporary.staged()).toEqual([]);
  for (const id of await idsIn(temporary.storage)) await temporary.storage.delete(id);
  handler = upload().single('file');
  expect((await server.post([hello])).status).toBe(201);
  await temporary.storage.delete(received.file?.depot.id ?? '');
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

async function expectRefusal(answer: RawAnswer, status: number, code: string): Promise<void> {
  expect(answer.problem).toMatchObject({ status, code });
  expect(answer.status).toBe(status);
  expect(await idsIn(temporary.storage)).toEqual([]);
}

describe('malformed forms', () => {
  const body = formBody([{ name: 'title', content: 'x' }, hello]);

  test.each([
    ['no boundary', 'multipart/form-data'],
    ['an empty boundary', 'multipart/form-data; boundary='],
    ['a boundary without a value', 'multipart/form-data; boundary'],
    ['an unfinished boundary', 'multipart/form-data; boundary="x'],
    ['another boundary than the body', 'multipart/form-data; boundary=other'],
    ['two boundaries, the first of them wrong', `multipart/form-data; boundary=other; boundary=${BOUNDARY}`],
    ['another kind of multipart', `multipart/mixed; boundary=${BOUNDARY}`],
    ['a broken type', 'multipart/'],
  ])('%s', async (_what, contentType) => {
    handler = upload().single('file');
    await expectRefusal(await server.post(body, { 'Content-Type': contentType }), 400, 'MALFORMED_MULTIPART');
  });

  test.each<[string, Buffer]>([
    ['an empty body', Buffer.alloc(0)],
    ['no final boundary', formBody([hello], '')],
    ['half a final boundary', formBody([hello], `--${BOUNDARY.slice(0, 4)}`)],
    ['a final boundary with one hyphen', formBody([hello], `--${BOUNDARY}-\r\n`)],
    ['an end within the content', body.subarray(0, body.indexOf('hello\r\n') + 2)],
    ['an end within the headers', body.subarray(0, body.indexOf('hello.txt'))],
    [
      'a part header that begins with a space',
      formBody([{ headers: ` Content-Disposition: form-data; name="a"` }]),
    ],
    ['a part header without a colon', formBody([{ headers: 'Content-Disposition form-data' }])],
    ['a part header without a name', formBody([{ headers: ': form-data; name="a"' }])],
    ['a NUL in a part header', formBody([{ headers: 'Content-Disposition: form-data; name="a\0b"' }])],
    [
      '3,000 part headers',
      formBody([{ headers: Array.from({ length: 3000 }, (_, i) => `X-H-${i}: v`).join('\r\n') }]),
    ],
    ['a part header of 64 KB', formBody([{ headers: `X: ${'x'.repeat(65536)}` }])],
    ['lines that end in LF only', Buffer.from(body.toString().replaceAll('\r\n', '\n'))],
    ['no multipart at all', Buffer.from('{"json": true}')],
  ])('%s', async (_what, bytes) => {
    handler = upload().single('file');
    await expectRefusal(await server.post(bytes), 400, 'MALFORMED_MULTIPART');
  });

  test('a malformed part after a file takes the file back', async () => {
    handler = upload().any();
    const answer = await server.post(formBody([hello, { headers: ' X: y' }]));
    await expectRefusal(answer, 400, 'MALFORMED_MULTIPART');
  });

  test('no body at all', async () => {
    handler = upload().single('file');
    const answer = await server.send(requestHead('/', { 'Content-Type': FORM_TYPE }));
    await expectRefusal(answer, 400, 'MALFORMED_MULTIPART');
  });

  test('two equal boundaries are one', async () => {
    handler = upload().single('file');
    const contentType = `${FORM_TYPE}; boundary=${BOUNDARY}`;
    expect((await server.post(body, { 'Content-Type': contentType })).status).toBe(201);
  });

  test('parts without a disposition are no fields', async () => {
    handler = upload().single('file');
    const answer = await server.post([{ headers: 'Content-Type: text/plain', content: 'x' }, hello]);
    expect(JSON.parse(answer.body)).toMatchObject({ body: {}, file: { filename: 'hello.txt' } });
  });
});

describe('names of fields', () => {
  test.each<[string, Part, string]>([
    ['no name for a field', { content: 'x' }, 'INVALID_FIELD_NAME'],
    ['an empty name for a field', { name: '', content: 'x' }, 'INVALID_FIELD_NAME'],
    ['no name for a file', { filename: 'a.txt', content: 'x' }, 'INVALID_FIELD_NAME'],
    ['an empty name for a file', { name: '', filename: 'a.txt', content: 'x' }, 'INVALID_FIELD_NAME'],
    ['a long name for a field', { name: 'x'.repeat(201), content: 'x' }, 'FIELD_NAME_TOO_LONG'],
    ['a long name for a file', { ...hello, name: 'x'.repeat(201) }, 'FIELD_NAME_TOO_LONG'],
    ['too many brackets', { name: 'a[b][c][d][e][f][g]', content: 'x' }, 'INVALID_FIELD_NAME'],
    ['an index that is too high', { name: 'a[4294967295]', content: 'x' }, 'INVALID_FIELD_NAME'],
  ])('%s', async (_what, part, code) => {
    handler = upload().any();
    await expectRefusal(await server.post([hello, part]), 400, code);
  });

  test('5,000 nested brackets, whatever the length allowed', async () => {
    handler = upload({ limits: { fieldNameSize: '1mb' } }).any();
    const field = { name: `a${'[b]'.repeat(5000)}`, content: 'x' };
    await expectRefusal(await server.post([field]), 400, 'INVALID_FIELD_NAME');
  });

  test('a[4294967295] and then a[] cannot break an application that has no limit', async () => {
    handler = upload({ limits: { fieldArrayIndexLimit: Number.POSITIVE_INFINITY } }).any();
    const parts = ['a[4294967295]', 'a[]', 'a[4294967294]', 'a[]'].map((name) => ({ name, content: 'x' }));
    await expectRefusal(await server.post(parts), 400, 'INVALID_FIELD_NAME');
  });

  test('names with a meaning in JavaScript are names like others', async () => {
    handler = upload({ metadata: (req) => ({ ...req.body, constructor: 'c' }) }).any();
    const names = [
      '__proto__',
      '__proto__[polluted]',
      'constructor[prototype][polluted]',
      'a[__proto__][polluted]',
    ];
    const answer = await server.post([
      ...names.map((name) => ({ name, content: 'yes' })),
      { ...hello, name: '__proto__', filename: '__proto__' },
      { ...hello, name: 'constructor', filename: 'constructor' },
    ]);
    expect(answer.status).toBe(201);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(Object.keys(received.body)).toEqual(['__proto__', 'constructor', 'a']);
    const files = received.files as Express.Multer.File[];
    expect(files.map(({ fieldname, depot }) => [fieldname, depot.filename])).toEqual([
      ['__proto__', '__proto__'],
      ['constructor', 'constructor'],
    ]);
    for (const { depot } of files) {
      const { metadata } = await temporary.storage.stat(depot.id);
      expect(Object.getPrototypeOf(metadata)).toBe(Object.prototype);
      expect(metadata.constructor).toBe('c');
    }
  });

  test('__proto__ as a name that fields() knows', async () => {
    handler = upload().fields([{ name: '__proto__' }, { name: 'constructor' }]);
    const parts = ['__proto__', 'constructor'].map((name) => ({ ...hello, name }));
    expect((await server.post(parts)).status).toBe(201);
    expect(Object.keys(received.files ?? {})).toEqual(['__proto__', 'constructor']);
    handler = upload().single('file');
    await server.post([{ ...hello, name: '__proto__' }]).then((answer) => {
      expect(answer.problem.code).toBe('UNEXPECTED_FILE');
    });
  });
});

describe('too much', () => {
  test.each<[string, UploadOptions['limits'], Part[], number, string]>([
    ['files', { files: 2 }, [hello, hello, hello], 413, 'TOO_MANY_FILES'],
    ['fields', { fields: 2 }, Array(3).fill({ name: 'a', content: 'x' }), 413, 'TOO_MANY_FIELDS'],
    ['parts', { parts: 2 }, [hello, { name: 'a', content: 'x' }, hello], 413, 'TOO_MANY_PARTS'],
    ['of a field', { fieldSize: 4 }, [{ name: 'a', content: '12345' }], 413, 'FIELD_TOO_LARGE'],
    ['of a file', { fileSize: 4 }, [hello], 413, 'FILE_TOO_LARGE'],
    ['of the second file', { fileSize: 5 }, [hello, { ...hello, content: '123456' }], 413, 'FILE_TOO_LARGE'],
  ])('%s', async (_what, limits, parts, status, code) => {
    handler = upload({ limits }).any();
    await expectRefusal(await server.post(parts), status, code);
  });

  test.each<[string, UploadOptions, number]>([
    ['too large', { limits: { fileSize: 5 } }, 413],
    ['of a type that is not accepted', { accept: ['text/plain'] }, 415],
    ['refused by the application', { validate: (_req, { size }) => size === 5 }, 422],
  ])('and the answer tells which of several files is %s', async (_what, options, status) => {
    handler = upload(options).any();
    const second = { name: 'photos', filename: 'cät.png', content: pngOf(1, 1, [0, 0, 0]) };
    const answer = await server.post([hello, second, hello]);
    expect(answer.problem).toMatchObject({ status, file: { field: 'photos', filename: 'cät.png' } });
  });

  test.each<[string, UploadOptions['limits'], Part[]]>([
    ['files', { files: 2 }, [hello, hello]],
    ['fields', { fields: 2 }, Array(2).fill({ name: 'a', content: 'x' })],
    ['parts', { parts: 2 }, [hello, { name: 'a', content: 'x' }]],
    ['bytes of a field', { fieldSize: 4 }, [{ name: 'a', content: '1234' }]],
    ['bytes of a file', { fileSize: 5 }, [hello]],
  ])('but as many %s as are allowed', async (_what, limits, parts) => {
    handler = upload({ limits }).any();
    expect((await server.post(parts)).status).toBe(201);
  });

  test.each([
    ['10,000 parts', Array(10_000).fill({ name: 'a', content: 'x' }), 'TOO_MANY_FIELDS'],
    ['500 files', Array(500).fill(hello), 'TOO_MANY_FILES'],
    ['a field of 2 MB', [{ name: 'a', content: Buffer.alloc(2_000_000, 'x') }], 'FIELD_TOO_LARGE'],
  ])('%s by the default limits', async (_what, parts, code) => {
    handler = upload().any();
    await expectRefusal(await server.post(parts), 413, code);
  });

  test('files of a field: one more than it may have', async () => {
    handler = upload().array('file', 2);
    await expectRefusal(await server.post([hello, hello, hello]), 413, 'TOO_MANY_FILES');
    handler = upload().single('file');
    await expectRefusal(await server.post([hello, hello]), 413, 'TOO_MANY_FILES');
    await expectRefusal(await server.post([{ ...hello, name: 'other' }]), 400, 'UNEXPECTED_FILE');
  });

  test('a file at the limit, in chunks, with a storage that is slow to be found', async () => {
    const limits = { fileSize: 100_000 };
    const storage = () => new Promise<string>((resolve) => setTimeout(resolve, 20, 'files'));
    handler = upload({ limits, storage }).single('file');
    for (const [size, status] of [
      [100_000, 201],
      [100_001, 413],
    ] as const) {
      const body = formBody([{ ...hello, content: Buffer.alloc(size) }]);
      const chunks = [body.subarray(0, 70_000), body.subarray(70_000)].map((chunk) =>
        Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]),
      );
      const head = requestHead('/', { 'Content-Type': FORM_TYPE, 'Transfer-Encoding': 'chunked' });
      expect((await server.send(head, ...chunks, '0\r\n\r\n')).status).toBe(status);
    }
    expect(await idsIn(temporary.storage)).toHaveLength(1);
  });
});

describe('names of files', () => {
  test.each([
    ['../../x', 'x'],
    ['/etc/passwd', 'passwd'],
    ['..\\x', 'x'],
    ['C:\\fakepath\\photo.png', 'photo.png'],
    ['.', 'unnamed'],
    ['..', 'unnamed'],
    ['...', 'unnamed'],
    ['a%00b.txt', 'a%00b.txt'],
    ['a%0D%0Ab: c', 'ab: c'],
    ['a%22b.txt', 'a"b.txt'],
    ['a\\"b.txt', 'a"b.txt'],
    ['a\u202egpj.exe', 'agpj.exe'],
    ['größe.txt', 'größe.txt'],
    ['日本語🙂.txt', '日本語🙂.txt'],
    ['__proto__', '__proto__'],
    ['x'.repeat(300), 'x'.repeat(255)],
    [`${'é'.repeat(300)}.txt`, `${'é'.repeat(125)}.txt`],
    ['/', 'unnamed'],
    [' ', 'unnamed'],
  ])('%j is stored as %j', async (filename, stored) => {
    handler = upload().single('file');
    const answer = await server.post([{ ...hello, filename }]);
    expect(answer.status).toBe(201);
    expect(received.file).toMatchObject({ originalname: stored, depot: { filename: stored } });
    expect((await temporary.storage.stat(received.file?.depot.id ?? '')).filename).toBe(stored);
  });

  test('bytes that are Latin-1', async () => {
    handler = upload().single('file');
    const body = formBody([hello]).toString('latin1').replace('hello.txt', 'caf\u00e9.txt');
    await server.post(Buffer.from(body, 'latin1'));
    expect(received.file?.originalname).toBe('café.txt');
  });

  test('filename* with its own charset (RFC 5987)', async () => {
    handler = upload().single('file');
    const headers = `Content-Disposition: form-data; name="file"; filename="x"; filename*=UTF-8''%E6%97%A5%E2%80%AE.txt`;
    await server.post([{ headers, content: 'x' }]);
    expect(received.file?.originalname).toBe('日.txt');
  });

  test.each(['%00', '%', '%E0%80', "UTF-8'", "no-such-charset''%FF"])(
    'filename*=%s is no crash',
    async (value) => {
      handler = upload().single('file');
      const answer = await server.post([
        { headers: `Content-Disposition: form-data; name="file"; filename*=${value}`, content: 'x' },
      ]);
      expect(answer.status).toBeLessThan(500);
    },
  );
});

describe('content that is not what it is declared', () => {
  const html: Part = {
    name: 'file',
    filename: 'cat.png',
    type: 'image/png',
    content: '<script>alert(1)</script>',
  };

  test('HTML as image/png is refused', async () => {
    handler = upload().single('file');
    await expectRefusal(await server.post([html]), 415, 'CONTENT_TYPE_MISMATCH');
  });

  test('HTML as application/octet-stream with the name of a picture is no picture', async () => {
    const part = { ...html, type: 'application/octet-stream' };
    handler = upload({ accept: ['image/*'] }).single('file');
    await expectRefusal(await server.post([part]), 415, 'CONTENT_TYPE_NOT_ACCEPTED');
    handler = upload().single('file');
    await server.post([part]);
    expect(received.file?.depot.contentType).toBe('application/octet-stream');
  });

  test('a picture of another kind gets its real type', async () => {
    handler = upload({ accept: ['image/*'] }).single('file');
    await server.post([{ ...html, type: 'image/gif', content: pngOf(1, 1, [0, 0, 0]) }]);
    expect(received.file).toMatchObject({ mimetype: 'image/png', depot: { contentType: 'image/png' } });
    handler = upload({ accept: ['image/gif'] }).single('file');
    const answer = await server.post([{ ...html, type: 'image/gif', content: pngOf(1, 1, [0, 0, 0]) }]);
    expect(answer.problem.code).toBe('CONTENT_TYPE_NOT_ACCEPTED');
  });

  test('a broken type is none', async () => {
    handler = upload().single('file');
    for (const type of ['', 'x', 'text/html\tx', 'a/b; c="']) {
      const answer = await server.post([{ name: 'file', filename: 'x', type, content: 'x' }]);
      expect(answer.status).toBe(201);
    }
  });
});
