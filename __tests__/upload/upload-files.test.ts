import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import connect from 'connect';
import express, { type Request, type RequestHandler } from 'express';
import multer from 'multer';
import { DepotError } from '../../lib/errors.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { errorHandler } from '../../lib/upload/error-handler.js';
import type { UploadOptions } from '../../lib/upload/options.js';
import { type UploadHandler, uploadFiles } from '../../lib/upload/upload-files.js';
import type { Part } from '../support/multipart.js';
import { pngOf } from '../support/png.js';
import { directoryOf, idsIn, TestServer } from '../support/upload-server.js';

const PNG = pngOf(1, 1, [255, 0, 0]);
const hello: Part = { name: 'file', filename: 'hello.txt', type: 'text/plain', content: 'hello' };

let storage = new MemoryStorage();
let other = new MemoryStorage();
let handler: UploadHandler;
let received: Request;
let failure: unknown;
let server: TestServer;

/** What the server does next: each test has its own handler. */
function upload(options?: UploadOptions) {
  return uploadFiles(directoryOf({ files: storage, other }), options);
}

beforeAll(async () => {
  const app = express();
  const answer: RequestHandler = (req, res) => {
    received = req;
    res.status(201).json({ body: req.body, file: req.file, files: req.files });
  };
  app.post('/', (req, res, next) => handler(req, res, next), answer);
  app.use((error: unknown, req: Request, _res: unknown, next: (error: unknown) => void) => {
    failure = error;
    received = req;
    next(error);
  });
  app.use(errorHandler());
  server = await TestServer.listen(app);
});

afterAll(() => server.close());

beforeEach(() => {
  storage = new MemoryStorage();
  other = new MemoryStorage();
  failure = undefined;
});

describe('the shapes of a form', () => {
  test('single: the file is stored, and req.file.depot tells all of it', async () => {
    handler = upload().single('file');
    const answer = await server.post([{ name: 'title', content: 'Greeting' }, hello]);
    expect(answer.status).toBe(201);
    const [id = ''] = await idsIn(storage);
    const sha256 = createHash('sha256').update('hello').digest('hex');
    expect(JSON.parse(answer.body)).toMatchObject({
      body: { title: 'Greeting' },
      file: { fieldname: 'file', originalname: 'hello.txt', mimetype: 'text/plain', size: 5 },
    });
    const info = { storage: 'files', id, path: `files/${id}`, url: `/depot/files/${id}`, sha256, size: 5 };
    expect(received.file?.depot).toMatchObject({ ...info, filename: 'hello.txt', contentType: 'text/plain' });
    expect(await (await storage.get(id)).text()).toBe('hello');
  });

  test('req.file.depot is what the storage says afterwards', async () => {
    handler = upload({ metadata: { by: 'test' } }).single('file');
    await server.post([hello]);
    const info = received.file?.depot;
    const { filename, contentType, size, sha256, lastModified, metadata } = await storage.stat(
      info?.id ?? '',
    );
    const stored = {
      filename,
      contentType,
      size,
      sha256,
      lastModified: lastModified.toISOString(),
      metadata,
    };
    expect(info).toMatchObject(stored);
  });

  test('array: in the order of the form', async () => {
    handler = upload().array('file');
    const names = ['a.txt', 'b.txt', 'c.txt'];
    await server.post(names.map((filename) => ({ ...hello, filename, content: filename })));
    const files = received.files as Express.Multer.File[];
    expect(files.map(({ depot }) => depot.filename)).toEqual(names);
    expect(await idsIn(storage)).toEqual(files.map(({ depot }) => depot.id).sort());
  });

  test('fields: arrays by their names', async () => {
    handler = upload().fields([{ name: 'photo', maxCount: 1 }, { name: 'paper' }]);
    await server.post([
      { name: 'photo', filename: 'p.png', type: 'image/png', content: PNG },
      { name: 'paper', filename: '1.txt', content: 'one' },
      { name: 'paper', filename: '2.txt', content: 'two' },
    ]);
    const files = received.files as Record<string, Express.Multer.File[]>;
    expect(files.photo?.map(({ depot }) => depot.contentType)).toEqual(['image/png']);
    expect(files.paper?.map(({ depot }) => depot.filename)).toEqual(['1.txt', '2.txt']);
  });

  test('any: files of any field', async () => {
    handler = upload().any();
    await server.post([hello, { ...hello, name: 'b' }]);
    expect((received.files as Express.Multer.File[]).map(({ fieldname }) => fieldname)).toEqual([
      'file',
      'b',
    ]);
  });

  test('none: fields only', async () => {
    handler = upload().none();
    const answer = await server.post([{ name: 'title', content: 'x' }]);
    expect(JSON.parse(answer.body)).toEqual({ body: { title: 'x' } });
    expect((await server.post([hello])).problem.code).toBe('UNEXPECTED_FILE');
    expect(await idsIn(storage)).toEqual([]);
  });

  test('fields have the names that the form gives them, in UTF-8', async () => {
    const parts = [
      { name: 'straße', content: 'Grünstraße 1' },
      { ...hello, name: 'příloha' },
    ];
    handler = upload().single('příloha');
    const answer = await server.post(parts);
    expect(JSON.parse(answer.body)).toMatchObject({
      body: { straße: 'Grünstraße 1' },
      file: { fieldname: 'příloha' },
    });
    handler = upload().fields([{ name: 'příloha' }]);
    await server.post(parts);
    expect(Object.keys(received.files ?? {})).toEqual(['příloha']);
    handler = upload().single('foto');
    expect((await server.post(parts)).problem).toMatchObject({
      code: 'UNEXPECTED_FILE',
      detail: expect.stringContaining('"příloha"'),
    });
  });

  test('a zero-byte file is a file', async () => {
    handler = upload().single('file');
    await server.post([{ name: 'file', filename: 'empty.txt', type: 'text/plain', content: '' }]);
    expect(received.file?.depot).toMatchObject({ size: 0, filename: 'empty.txt', contentType: 'text/plain' });
  });

  test('a form without a file has none, unless it is required', async () => {
    handler = upload().single('file');
    const part = { name: 'file', filename: '', type: 'application/octet-stream' };
    expect((await server.post([part])).status).toBe(201);
    expect(received.file).toBeUndefined();
    handler = upload({ required: true }).single('file');
    expect((await server.post([part])).problem).toMatchObject({ status: 400, code: 'MISSING_FILE' });
    const json = await server.post(Buffer.from('{}'), { 'Content-Type': 'application/json' });
    expect(json.problem.code).toBe('MISSING_FILE');
  });

  test('a form that another handler has read is a fault of the server', async () => {
    const app = express();
    app.post('/', multer().any(), upload().any());
    app.use(errorHandler());
    const reading = await TestServer.listen(app);
    try {
      const answer = await reading.post([hello]);
      expect(answer.problem).toMatchObject({ status: 500, code: 'INVALID_CONTENT' });
    } finally {
      await reading.close();
    }
  });

  test('a request that is no form is passed on unread', async () => {
    handler = upload().single('file');
    const files = handler;
    let isUnread = false;
    handler = (req, res, next) =>
      files(req, res, (error) => {
        isUnread = req.readableFlowing === null;
        next(error);
      });
    const answer = await server.post(Buffer.from('{}'), { 'Content-Type': 'application/json' });
    expect([answer.status, isUnread]).toEqual([201, true]);
  });
});

describe("the application's functions", () => {
  test('see every field, also those that come after the file', async () => {
    const seen: unknown[] = [];
    handler = upload({
      filename: (req, file) => `${req.body.title}-${file.size}.txt`,
      metadata: async (req) => ({ album: req.body.album }),
      id: (req) => `photo-${req.body.number}`,
      validate: (_req, file) => {
        seen.push(file);
      },
    }).single('file');
    const after = [
      { name: 'title', content: 'Title' },
      { name: 'album', content: 'Summer' },
      { name: 'number', content: '7' },
    ];
    await server.post([{ ...hello, content: PNG, type: 'application/octet-stream' }, ...after]);
    expect(received.file?.depot).toMatchObject({
      id: 'photo-7',
      filename: `Title-${PNG.length}.txt`,
      contentType: 'image/png',
      metadata: { album: 'Summer' },
    });
    const sha256 = createHash('sha256').update(PNG).digest('hex');
    const file = {
      originalname: 'hello.txt',
      mimetype: 'image/png',
      detectedType: 'image/png',
      size: PNG.length,
      sha256,
    };
    expect(seen).toMatchObject([file]);
  });

  test('storage: by name, and by a function that sees what came before the file', async () => {
    handler = upload({ storage: 'other' }).single('file');
    await server.post([hello]);
    expect(received.file?.depot.storage).toBe('other');
    handler = upload({ storage: async (req) => req.body.where }).single('file');
    await server.post([{ name: 'where', content: 'other' }, hello]);
    expect(received.file?.depot.path).toMatch(/^other\//);
    expect(await idsIn(other)).toHaveLength(2);
    await server.post([{ name: 'where', content: 'constructor' }, hello]);
    expect(failure).toMatchObject({ code: 'STORAGE_NOT_FOUND' });
  });

  test('run in the asynchronous context of the request', async () => {
    const context = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const note = () => void seen.push(context.getStore());
    const files = upload({ storage: note, validate: note, filename: note }).single('file');
    handler = (req, res, next) =>
      context.run('tenant', () =>
        files(req, res, (error) => {
          note();
          next(error);
        }),
      );
    expect((await server.post([hello])).status).toBe(201);
    expect(seen).toEqual(['tenant', 'tenant', 'tenant', 'tenant']);
  });

  test.each([
    ['false', () => false, 422, 'UPLOAD_REFUSED', /hello\.txt/],
    ['a message', async () => 'Too dull', 422, 'UPLOAD_REFUSED', /^Too dull$/],
    ['a plain error', () => Promise.reject(new Error('Too loud')), 422, 'UPLOAD_REFUSED', /^Too loud$/],
    [
      'an error of ours',
      () => Promise.reject(new DepotError('FORBIDDEN', 'Not you')),
      403,
      'FORBIDDEN',
      /Not you/,
    ],
    [
      'an HTTP error',
      () => Promise.reject(Object.assign(new Error('Pay'), { status: 402, expose: true })),
      402,
      undefined,
      /Pay/,
    ],
  ])('validate refuses by %s', async (_what, validate, status, code, detail) => {
    handler = upload({ validate }).single('file');
    const answer = await server.post([hello]);
    expect(answer.problem).toMatchObject({ status, detail: expect.stringMatching(detail) });
    expect(answer.problem.code).toBe(code);
    expect(await idsIn(storage)).toEqual([]);
    expect(received.file).toBeUndefined();
  });

  test('faults in them are passed on as they are, and nothing is stored', async () => {
    const fault = new TypeError('a bug');
    const fail = () => {
      throw fault;
    };
    for (const name of ['validate', 'filename', 'metadata', 'id', 'storage'] as const) {
      failure = undefined;
      handler = upload({ [name]: fail }).single('file');
      const answer = await server.post([hello]);
      expect([name, answer.status, failure]).toEqual([name, 500, fault]);
    }
    expect(await idsIn(storage)).toEqual([]);
  });

  test('ids and metadata that cannot be are refused before anything is stored', async () => {
    handler = upload({ id: (_req, file) => (file.originalname === 'b' ? '../b' : 'a') }).array('file');
    await server.post([
      { ...hello, filename: 'a' },
      { ...hello, filename: 'b' },
    ]);
    expect(failure).toMatchObject({ code: 'INVALID_FILE_ID' });
    handler = upload({ metadata: () => ({ text: 'x'.repeat(2000) }) }).single('file');
    await server.post([hello]);
    expect(failure).toMatchObject({ code: 'INVALID_METADATA' });
    expect(await idsIn(storage)).toEqual([]);
  });
});

describe('all or nothing', () => {
  test('the second file is refused: the first is not stored', async () => {
    handler = upload({ validate: (_req, file) => file.originalname !== 'second.txt' }).array('file');
    const answer = await server.post([
      { ...hello, filename: 'first.txt' },
      { ...hello, filename: 'second.txt' },
    ]);
    expect(answer.status).toBe(422);
    expect(await idsIn(storage)).toEqual([]);
    expect(received.files).toBeUndefined();
  });

  test('the second file cannot be stored: the first is deleted, and the one in its way stays', async () => {
    await storage.create('old', { id: 'b' });
    handler = upload({ id: (_req, file) => file.originalname }).array('file');
    const answer = await server.post(['a', 'b', 'c'].map((filename) => ({ ...hello, filename })));
    expect(answer.problem).toMatchObject({ status: 409, code: 'FILE_EXISTS' });
    expect(await idsIn(storage)).toEqual(['b']);
    expect(await (await storage.get('b')).text()).toBe('old');
  });

  test('a file that cannot be deleted does not keep the others; a warning names it', async () => {
    await storage.create('old', { id: 'c' });
    const remove = storage.delete.bind(storage);
    storage.delete = async (id) => {
      if (id === 'a') throw new DepotError('STORAGE_UNAVAILABLE');
      return remove(id);
    };
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    handler = upload({ id: (_req, file) => file.originalname }).array('file');
    const answer = await server.post(['a', 'b', 'c'].map((filename) => ({ ...hello, filename })));
    expect(answer.problem.code).toBe('FILE_EXISTS');
    expect(await idsIn(storage)).toEqual(['a', 'c']);
    expect(warn.mock.calls).toEqual([[expect.stringContaining('files/a')]]);
    warn.mockRestore();
  });

  test('a storage that is full: at once, and the file before it is taken back', async () => {
    class FullStorage extends MemoryStorage {
      protected override openStaging() {
        const area = super.openStaging();
        area.write = () => Promise.reject(new DepotError('STORAGE_FULL'));
        return area;
      }
    }
    const directory = directoryOf({ files: storage, full: new FullStorage() });
    const target = (_req: Request, file: { originalname: string }) => file.originalname;
    handler = uploadFiles(directory, { storage: target }).array('file');
    const answer = await server.post(['files', 'full', 'files'].map((filename) => ({ ...hello, filename })));
    expect(answer.problem).toMatchObject({ status: 507, code: 'STORAGE_FULL' });
    expect(await idsIn(storage)).toEqual([]);
  });

  test.each([undefined, null, '', 'text', Object.freeze(new Error('frozen'))])(
    'a function that throws %p is a failure',
    async (thrown) => {
      for (const name of ['storage', 'filename', 'validate'] as const) {
        handler = upload({ [name]: () => Promise.reject(thrown) }).single('file');
        expect((await server.post([hello])).status).toBeGreaterThanOrEqual(400);
      }
      expect(await idsIn(storage)).toEqual([]);
    },
  );

  test('a field that is too much after the files takes them back', async () => {
    handler = upload({ limits: { fields: 0 } }).array('file');
    const answer = await server.post([hello, hello, { name: 'title', content: 'x' }]);
    expect(answer.problem).toMatchObject({ status: 413, code: 'TOO_MANY_FIELDS' });
    expect(await idsIn(storage)).toEqual([]);
  });

  test('a client that leaves while files are stored: they are deleted', async () => {
    const gone = new Promise<void>((resolve) => {
      handler = upload({
        validate: async (req) => {
          const closed = new Promise((close) => req.socket.once('close', close));
          req.socket.destroy();
          await closed;
        },
      }).single('file');
      const inner = handler;
      handler = (req, res, next) =>
        inner(req, res, (error) => {
          next(error);
          resolve();
        });
    });
    await expect(server.post([hello])).rejects.toThrow('without an answer');
    await gone;
    expect(failure).toMatchObject({ code: 'UPLOAD_ABORTED' });
    expect(await idsIn(storage)).toEqual([]);
  });

  test('a client that leaves in the middle of storing: what was stored is deleted', async () => {
    let goOn: () => void = () => {};
    const closed = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const commits: string[] = [];
    const stage = storage.stage.bind(storage);
    storage.stage = async (content, options) => {
      const staged = await stage(content, options);
      const commit = staged.commit.bind(staged);
      staged.commit = async (commitOptions) => {
        const id = await commit(commitOptions);
        commits.push(id);
        await closed;
        return id;
      };
      return staged;
    };
    const files = upload().array('file');
    const done = new Promise<void>((resolve) => {
      handler = (req, res, next) => {
        req.socket.once('close', goOn);
        return files(req, res, (error) => {
          next(error);
          resolve();
        });
      };
    });
    const answer = server.post([hello, hello]);
    answer.catch(() => {});
    while (commits.length < 2) await new Promise(setImmediate);
    server.server.closeAllConnections();
    await done;
    expect(failure).toMatchObject({ code: 'UPLOAD_ABORTED' });
    expect(await idsIn(storage)).toEqual([]);
  });
});

describe('options', () => {
  test.each([
    [{ limits: { fileSize: '10 foo' } }],
    [{ limits: { fileSize: -1 } }],
    [{ limits: { fields: 1.5 } }],
    [{ limits: { files: Number.NaN } }],
    [{ accept: ['png'] }],
    [{ accept: ['.nobody-knows'] }],
    [{ timeout: -1 }],
    [{ timeout: 2 ** 31 }],
    [{ limits: null as never }],
  ])('%j is refused when it is given', (options) => {
    expect(() => upload(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });

  test.each([
    [{ fileFilter: () => false }, 'Uploads: no option is called "fileFilter"'],
    [{ limit: { fileSize: '1mb' } }, 'Uploads: no option is called "limit"'],
    [{ limits: { filesize: '1mb' } }, 'There is no limits.filesize'],
    [{ limits: '1mb' }, 'limits must be an object'],
    [{ accept: 'image/*' }, 'accept must be a list'],
    [{ validate: true }, 'The option "validate" is no function'],
    [{ filename: 5 }, 'The option "filename" is no string or function'],
    [{ required: 'yes' }, 'The option "required" is no boolean'],
    [{ replace: 'default/x' }, 'Uploads: no option is called "replace"'],
  ])('%j would be no check at all, and is refused', (options, message) => {
    expect(() => upload(options as UploadOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(message) }),
    );
  });

  const refusal = expect.objectContaining({ code: 'INVALID_OPTION' });

  test.each([
    undefined,
    null,
    'a',
    { name: 'a' },
    [null],
    ['a'],
    [{}],
    [{ name: 'a', maxCount: 'many' }],
    [{ name: 'a', maxCount: -1 }],
  ])('fields that are none are refused: %j', (fields) => {
    expect(() => upload().fields(fields as never)).toThrow(refusal);
  });

  test('a field without a name, or without a number of files, is refused', () => {
    for (const name of [undefined, null, 5]) expect(() => upload().single(name as never)).toThrow(refusal);
    expect(() => upload().array('a', 'many' as never)).toThrow(refusal);
  });

  test('metadata that no file can have is refused when it is given', () => {
    expect(() => upload({ metadata: { text: 'x'.repeat(2000) } })).toThrow(
      expect.objectContaining({ code: 'INVALID_METADATA' }),
    );
  });
});

test('the handlers work in Connect', async () => {
  const app = connect();
  app.use(upload().single('file'));
  app.use((req, res) => res.end((req as Request).file?.depot.filename));
  const connected = await TestServer.listen(app);
  try {
    expect((await connected.post([hello])).body).toContain('hello.txt');
  } finally {
    await connected.close();
  }
});
