import * as sdk from '@aws-sdk/client-s3';
import { afterAll, describe, expect, jest, test } from '@jest/globals';
import { attach } from '../../lib/attachments/attachment.js';
import { Attachments } from '../../lib/attachments/attachments.js';
import { attachmentField } from '../../lib/attachments/field.js';
import { MemoryJournal, type MemoryTransaction } from '../../lib/attachments/journal/memory-journal.js';
import { DepotManager } from '../../lib/depot/manager.js';
import { ABANDONED_AFTER } from '../../lib/object-storage/staging-area.js';
import type { AdoptOptions, DirectUpload, DirectUploadOptions, S3Storage } from '../../lib/storages/s3.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { pngOf } from '../support/png.js';
import { TestBucket } from '../support/s3.js';
import { describeWith, startS3Server } from '../support/servers/index.js';
import { until } from '../support/until.js';

const PNG = Uint8Array.from(pngOf(30, 20, [0, 128, 0]));
const HTML = '<!DOCTYPE html><script>alert(1)</script>';
const UNKNOWN_ID = '6f2c1d9e-7b0a-4c57-9a45-0d4d7c1e8b21';

/** Sends a form as a browser does. */
async function post(
  { url, fields }: Pick<DirectUpload, 'url' | 'fields'>,
  content: string | Uint8Array<ArrayBuffer>,
  more: Readonly<Record<string, string>> = {},
): Promise<number> {
  const form = new FormData();
  for (const [name, value] of Object.entries({ ...fields, ...more })) form.append(name, value);
  form.append('file', new Blob([content]), 'C:\\fake\\name.html');
  const answer = await fetch(url, { method: 'POST', body: form });
  await answer.text();
  return answer.status;
}

function policyOf({ fields }: DirectUpload): { expiration: string; conditions: unknown[] } {
  return JSON.parse(Buffer.from(fields.Policy ?? '', 'base64').toString());
}

await describeWith('Direct uploads to S3', [startS3Server], (server) => {
  const bucket = new TestBucket(server);
  const opened: S3Storage[] = [];
  const proxies: FaultProxy[] = [];
  afterAll(async () => {
    await Promise.all(opened.map((storage) => storage.close()));
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    bucket.client.destroy();
  });

  function open(options: Parameters<TestBucket['options']>[0] = {}) {
    const given = bucket.options(options);
    const storage = bucket.open(given);
    const prefix = given.prefix ?? '';
    opened.push(storage);
    return { storage, prefix, leftovers: () => bucket.leftovers(prefix), keys: () => bucket.keys(prefix) };
  }

  /** What was posted by a form, and is to be adopted. */
  async function upload(
    content: string | Uint8Array<ArrayBuffer>,
    options: Partial<DirectUploadOptions> = {},
    more: Readonly<Record<string, string>> = {},
  ) {
    const opening = open();
    const form = await opening.storage.directUpload({ maxSize: '1mb', ...options });
    expect(await post(form, content, more)).toBe(204);
    const adopt = (given?: AdoptOptions) => opening.storage.adopt(form.id, given);
    return { ...opening, form, id: form.id, adopt };
  }

  describe('the form', () => {
    test('is JSON, for one key, one size, one type and one hour', async () => {
      const { storage, prefix } = open();
      const form = await storage.directUpload({ maxSize: 1000, contentType: 'image/png' });
      expect(JSON.parse(JSON.stringify(form))).toEqual(form);
      const { expiration, conditions } = policyOf(form);
      expect(conditions).toEqual(
        expect.arrayContaining([
          { bucket: bucket.name },
          { key: `${prefix}.staging/${form.id}` },
          ['content-length-range', 0, 1000],
          { 'Content-Type': 'image/png' },
        ]),
      );
      const left = Date.parse(expiration) - Date.now();
      expect(left).toBeGreaterThan(3_590_000);
      expect(left).toBeLessThanOrEqual(3_600_000);
      expect((await storage.directUpload({ maxSize: 1000 })).id).not.toBe(form.id);
    });

    test('has the encryption of the files', async () => {
      const { storage } = open({ serverSideEncryption: 'aws:kms', kmsKeyId: 'key' });
      const form = await storage.directUpload({ maxSize: 1 });
      const fields = {
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'key',
      };
      expect(form.fields).toMatchObject(fields);
      expect(policyOf(form).conditions).toEqual(
        expect.arrayContaining(Object.entries(fields).map(([name, value]) => ({ [name]: value }))),
      );
    });

    test('is taken up to its size, and nobody sees the file', async () => {
      const { storage, keys, prefix } = open();
      const form = await storage.directUpload({ maxSize: PNG.byteLength });
      expect(await post(form, PNG)).toBe(204);
      expect(await keys()).toEqual([`${prefix}.staging/${form.id}`]);
      expect(await storage.exists(form.id)).toBe(false);
      for await (const id of storage.list()) expect(id).toBeUndefined();
    });

    test('is signed with credentials that outlive it, if there are any', async () => {
      const lives = [7200, 600];
      const credentials = jest.fn(async () => ({
        ...server.credentials,
        accessKeyId: `key${lives.length}`,
        sessionToken: 'token',
        expiration: new Date(Date.now() + (lives.pop() ?? 0) * 1000),
      }));
      const { storage } = open({ createBucket: false, credentials });
      const { fields } = await storage.directUpload({ maxSize: 1, expiresIn: 3600 });
      expect(fields).toMatchObject({
        'X-Amz-Credential': expect.stringMatching(/^key1/),
        'X-Amz-Security-Token': 'token',
      });
    });

    const refused: [string, number, (form: DirectUpload) => Promise<number>][] = [
      ['larger content', 400, (form) => post(form, 'x'.repeat(101), { 'Content-Type': 'image/png' })],
      ['another type', 403, (form) => post(form, 'x', { 'Content-Type': 'text/html' })],
      ['another key', 403, (form) => post(form, 'x', { 'Content-Type': 'image/png', key: 'mine' })],
      [
        'a key that goes on',
        403,
        (form) => post(form, 'x', { 'Content-Type': 'image/png', key: `${form.fields.key}/x` }),
      ],
      [
        'what is not in the policy',
        403,
        (form) => post(form, 'x', { 'Content-Type': 'image/png', acl: 'public-read' }),
      ],
      [
        'another policy',
        403,
        (form) => {
          const policy = { ...policyOf(form), expiration: '2099-01-01T00:00:00Z' };
          const Policy = Buffer.from(JSON.stringify(policy)).toString('base64');
          return post(form, 'x', { 'Content-Type': 'image/png', Policy });
        },
      ],
    ];
    test.each(refused)('with %s is refused by the server', async (_what, status, act) => {
      const { storage, keys } = open();
      const form = await storage.directUpload({ maxSize: 100, contentType: 'image/*' });
      expect(await act(form)).toBe(status);
      expect(await keys()).toEqual([]);
      await expect(storage.adopt(form.id)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
      expect(await post(form, 'x', { 'Content-Type': 'image/png' })).toBe(204);
    });

    test('with a range of all types takes any', async () => {
      const { storage, keys, prefix } = open();
      const form = await storage.directUpload({ maxSize: 100, contentType: '*/*' });
      expect(await post(form, 'x', { 'Content-Type': 'image/png' })).toBe(204);
      expect(await keys()).toEqual([`${prefix}.staging/${form.id}`]);
    });

    test('with no type takes none', async () => {
      const { storage, keys } = open();
      const form = await storage.directUpload({ maxSize: 100 });
      expect(await post(form, HTML, { 'Content-Type': 'text/html' })).toBe(403);
      expect(await keys()).toEqual([]);
    });

    test('that has expired is refused by the server', async () => {
      const { storage, keys } = open();
      await storage.check();
      const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() - 61_000);
      const form = await storage.directUpload({ maxSize: 100, expiresIn: 60 });
      clock.mockRestore();
      expect(await post(form, 'x')).toBe(403);
      expect(await keys()).toEqual([]);
    });

    test.each([
      {},
      { maxSize: -1 },
      { maxSize: Number.NaN },
      { maxSize: Number.POSITIVE_INFINITY },
      { maxSize: '6gb' },
      { maxSize: 1, expiresIn: 0 },
      { maxSize: 1, expiresIn: 604_801 },
      { maxSize: 1, contentType: 'image' },
      { maxSize: 1, contentType: 'image/png\r\n' },
      { maxSize: 1, contentType: '*/png' },
      { maxSize: 1, contentType: 'image/*+xml' },
      { maxSize: 1, contentType: 'image/*; q=1' },
      { maxSize: 1, contentType: ['image/png'] },
      { maxSize: 1, contenttype: 'image/png' },
    ])('cannot be had with %j', async (options) => {
      const { storage } = open();
      await expect(storage.directUpload(options as DirectUploadOptions)).rejects.toMatchObject({
        code: 'INVALID_OPTION',
      });
    });
  });

  describe('adopt', () => {
    test('makes the file, by its content', async () => {
      const { adopt, id, storage, prefix, keys } = await upload(PNG);
      const metadata = { owner: 'me' };
      expect(await adopt({ filename: '../../ \u202ea.png', accept: ['image/*'], metadata })).toBe(id);
      const file = await storage.get(id);
      expect(file).toMatchObject({
        filename: 'a.png',
        contentType: 'image/png',
        size: PNG.byteLength,
        metadata,
      });
      expect(file.sha256).toBeUndefined();
      expect((await file.buffer()).equals(PNG)).toBe(true);
      expect(await keys()).toEqual([prefix + id]);
      const object = { Bucket: bucket.name, Key: prefix + id };
      const kept = await bucket.client.send(new sdk.HeadObjectCommand(object));
      expect(kept).toMatchObject({
        ContentType: 'image/png',
        ContentDisposition: 'inline; filename="a.png"',
        Metadata: { 'x-depot-filename': 'a.png' },
      });
      await expect(adopt()).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    });

    test.each([
      ['', undefined, 'application/octet-stream'],
      ['text', 'a.txt', 'text/plain'],
      [`${'a'.repeat(5000)}`, 'a.csv', 'text/csv'],
    ])('%#: content without magic bytes', async (content, filename, contentType) => {
      const { adopt, id, storage } = await upload(content);
      await adopt({ filename });
      const file = await storage.get(id);
      expect(file).toMatchObject({ filename: filename ?? 'unnamed', contentType, size: content.length });
      expect(await file.text()).toBe(content);
    });

    test('makes a file that can become an attachment where it lies, without a digest', async () => {
      const { adopt, id, storage, keys, prefix } = await upload(PNG);
      const depot = new DepotManager();
      depot.configure('photos', storage);
      await adopt({ filename: 'a.png' });
      const info = await depot.info(`photos/${id}`);
      expect(JSON.parse(JSON.stringify(info))).toEqual({
        ...{ storage: 'photos', id, path: `photos/${id}`, url: `/depot/photos/${id}`, filename: 'a.png' },
        ...{ contentType: 'image/png', size: PNG.byteLength, metadata: {}, lastModified: expect.any(String) },
      });
      const journal = new MemoryJournal();
      const all = new Attachments<MemoryTransaction>({ depot, journal, isReferenced: async () => false });
      const unit = all.begin();
      const stored = await unit.store(attachmentField({ accept: ['image/*'] }), attach(info));
      await unit.settle('committed');
      await all.close();
      expect(stored?.data).toMatchObject({ id, depot: 'photos', filename: 'a.png', size: PNG.byteLength });
      expect(stored?.sha256).toBeUndefined();
      expect(await keys()).toEqual([prefix + id]);
    });

    test('looks at the first bytes alone', async () => {
      const { adopt } = await upload(Buffer.concat([PNG, Buffer.alloc(900_000)]));
      const send = jest.spyOn(sdk.S3Client.prototype, 'send');
      await adopt();
      const sent = send.mock.calls.map(([command]) => [command.constructor.name, command.input] as const);
      send.mockRestore();
      const read = sent.filter(([name]) => name === 'GetObjectCommand');
      expect(read.map(([, input]) => input)).toEqual([expect.objectContaining({ Range: 'bytes=0-4099' })]);
    });

    const refusals: [string, string | Uint8Array<ArrayBuffer>, string | undefined, AdoptOptions, string][] = [
      ['HTML that is declared as an image', HTML, 'image/png', {}, 'CONTENT_TYPE_MISMATCH'],
      [
        'HTML, where images are accepted',
        HTML,
        undefined,
        { accept: ['image/*'], filename: 'a.png' },
        'CONTENT_TYPE_NOT_ACCEPTED',
      ],
      [
        'an image, where a PDF is accepted',
        PNG,
        'application/pdf',
        { accept: ['.pdf'] },
        'CONTENT_TYPE_MISMATCH',
      ],
      ['what is too large', PNG, 'image/png', { maxSize: PNG.byteLength - 1 }, 'FILE_TOO_LARGE'],
    ];
    test.each(refusals)('refuses and removes %s', async (_what, content, contentType, options, code) => {
      const { adopt, keys } = await upload(content, { contentType });
      await expect(adopt(options)).rejects.toMatchObject({ code });
      expect(await keys()).toEqual([]);
      await expect(adopt()).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    });

    test('HTML with the name of an image is no image', async () => {
      const { adopt, id, storage } = await upload(HTML);
      await adopt({ filename: 'a.png' });
      expect((await storage.stat(id)).contentType).toBe('application/octet-stream');
    });

    test('an image that is declared as another one is what it is', async () => {
      const { adopt, id, storage } = await upload(
        PNG,
        { contentType: 'image/*' },
        { 'Content-Type': 'image/gif' },
      );
      await adopt({ maxSize: PNG.byteLength });
      expect((await storage.stat(id)).contentType).toBe('image/png');
    });

    test('asks checkType, whose refusal removes the upload, and whose failure does not', async () => {
      const { adopt, keys } = await upload(PNG);
      const failing = (error: unknown) => async (_detectedType?: string) => {
        throw error;
      };
      await expect(adopt({ checkType: failing(new Error('no database')) })).rejects.toThrow('no database');
      expect(await keys()).toHaveLength(1);
      const checkType = jest.fn(failing(Object.assign(new Error('no'), { status: 422 })));
      await expect(adopt({ checkType })).rejects.toThrow('no');
      expect(checkType).toHaveBeenCalledWith('image/png');
      expect(await keys()).toEqual([]);
    });

    test.each([{ filenam: 'a.png' }, { accept: 'image/*' }, { maxSize: '1 pound' }])(
      'wrong options %j leave the upload alone',
      async (options) => {
        const { adopt, keys } = await upload(PNG);
        await expect(adopt(options as unknown as AdoptOptions)).rejects.toMatchObject({
          code: 'INVALID_OPTION',
        });
        expect(await keys()).toHaveLength(1);
      },
    );

    test('refuses a name that is no text, and leaves the upload alone', async () => {
      const { adopt, keys } = await upload(PNG);
      const options = JSON.parse('{"filename":{}}') as AdoptOptions;
      await expect(adopt(options)).rejects.toMatchObject({ code: 'INVALID_METADATA', status: 400 });
      expect(await keys()).toHaveLength(1);
    });

    test('knows no other ids', async () => {
      const { storage, keys } = open();
      const other = await upload(PNG);
      const file = await storage.create('a file');
      await expect(storage.adopt(file)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
      for (const id of [UNKNOWN_ID, other.id])
        await expect(storage.adopt(id)).rejects.toMatchObject({
          code: 'FILE_NOT_FOUND',
          message: `There is no file "${id}"`,
        });
      const evil = [
        '',
        '.',
        '..',
        `../${file}`,
        `.staging/${other.id}`,
        '../.staging/x',
        'a/b',
        'a\0',
        '%2e',
        null,
        {},
      ];
      for (const id of evil)
        await expect(storage.adopt(id as string)).rejects.toMatchObject({
          code: 'INVALID_FILE_ID',
          status: 404,
        });
      expect(await keys()).toEqual([`${storage.prefix}${file}`]);
      expect(await other.keys()).toHaveLength(1);
    });

    test('makes one file at most: of two at once, and of a form that is posted again', async () => {
      const { adopt, form, id, storage, keys, prefix } = await upload(PNG);
      const outcomes = await Promise.allSettled([adopt({ filename: 'a.png' }), adopt({ filename: 'b.png' })]);
      expect(outcomes.map(({ status }) => status)).toContain('fulfilled');
      for (const outcome of outcomes)
        if (outcome.status === 'rejected')
          expect(['FILE_EXISTS', 'FILE_NOT_FOUND']).toContain(outcome.reason.code);
      expect(await post(form, 'other')).toBe(204);
      await expect(adopt()).rejects.toMatchObject({ code: 'FILE_EXISTS' });
      expect(await keys()).toEqual([prefix + id]);
      expect((await (await storage.get(id)).buffer()).equals(PNG)).toBe(true);
    });

    test('what is posted after it was looked at is not adopted', async () => {
      const { adopt, form, keys } = await upload(PNG);
      const checkType = async () => {
        expect(await post(form, HTML)).toBe(204);
      };
      await expect(adopt({ accept: ['image/*'], checkType })).rejects.toMatchObject({ code: 'CONFLICT' });
      expect(await keys()).toEqual([]);
    });

    test('what is gone after it was looked at is not found', async () => {
      const { adopt, form, keys } = await upload(PNG);
      const object = { Bucket: bucket.name, Key: form.fields.key };
      const checkType = async () => void (await bucket.client.send(new sdk.DeleteObjectCommand(object)));
      await expect(adopt({ checkType })).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
      expect(await keys()).toEqual([]);
    });

    test('can be given up, and done later', async () => {
      const { adopt, id, keys } = await upload(PNG);
      const controller = new AbortController();
      const checkType = () => controller.abort(new Error('enough'));
      await expect(adopt({ checkType, signal: controller.signal })).rejects.toThrow('enough');
      await expect(adopt({ signal: AbortSignal.abort(new Error('early')) })).rejects.toThrow('early');
      expect(await keys()).toHaveLength(1);
      expect(await adopt()).toBe(id);
    });

    test('has the settings of the storage', async () => {
      const { storage } = open({ serverSideEncryption: 'AES256', storageClass: 'STANDARD' });
      const plain = open({ prefix: storage.prefix }).storage;
      const form = await plain.directUpload({ maxSize: '1mb' });
      await post(form, PNG);
      const send = jest.spyOn(sdk.S3Client.prototype, 'send');
      await storage.adopt(form.id);
      const copy = send.mock.calls
        .map(([command]) => command)
        .find((one) => one instanceof sdk.CopyObjectCommand);
      send.mockRestore();
      expect(copy?.input).toMatchObject({
        ServerSideEncryption: 'AES256',
        StorageClass: 'STANDARD',
        IfNoneMatch: '*',
      });
    });
  });

  describe('when something breaks', () => {
    /** A form that was posted, and a storage between which and S3 things go wrong. */
    async function openTroubled() {
      const { storage, form, id, keys, leftovers } = await upload(PNG);
      const proxy = await FaultProxy.start(server.endpoint);
      proxies.push(proxy);
      const troubled = open({ prefix: storage.prefix, endpoint: proxy.url, maxAttempts: 2 }).storage;
      await troubled.check();
      return { storage, troubled, proxy, form, id, keys, leftovers };
    }

    test.each(['GET', 'HEAD', 'PUT'])('no %s: the upload stays, and can be adopted later', async (method) => {
      const { storage, troubled, proxy, id, keys } = await openTroubled();
      proxy.set({ unavailable: { matching: new RegExp(`^${method} /[^?]*[^?/]`) } });
      await expect(troubled.adopt(id)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      expect(await keys()).toHaveLength(1);
      expect(await storage.adopt(id)).toBe(id);
    });

    test('no DELETE: the file is there, and the rest is swept', async () => {
      const { storage, troubled, proxy, form, id, keys } = await openTroubled();
      proxy.set({ unavailable: { matching: /^DELETE / } });
      expect(await troubled.adopt(id)).toBe(id);
      expect(await keys()).toEqual(expect.arrayContaining([form.fields.key, storage.prefix + id]));
      await expect(storage.adopt(id)).rejects.toMatchObject({ code: 'FILE_EXISTS' });
      expect(await keys()).toEqual([storage.prefix + id]);
    });

    test('the answer to the copy is lost: what it has done is found out', async () => {
      const { storage, id, leftovers } = await upload(PNG);
      const { endpoint, region, credentials } = server;
      const client = new sdk.S3Client({
        endpoint,
        region,
        credentials,
        forcePathStyle: true,
        maxAttempts: 2,
      });
      let lost = 0;
      client.middlewareStack.add(
        (next, { commandName }) =>
          async (args) => {
            const answer = await next(args);
            if (commandName !== 'CopyObjectCommand') return answer;
            lost++;
            throw Object.assign(new Error('lost'), { name: 'TimeoutError' });
          },
        { step: 'finalizeRequest', priority: 'low' },
      );
      expect(await open({ prefix: storage.prefix, client }).storage.adopt(id)).toBe(id);
      client.destroy();
      expect(lost).toBeGreaterThan(0);
      expect((await (await storage.get(id)).buffer()).equals(PNG)).toBe(true);
      expect(await leftovers()).toEqual([]);
    });

    test('what is never adopted is swept a day later, also where nothing else is uploaded', async () => {
      const { storage, keys, form } = await upload(PNG);
      await storage.directUpload({ maxSize: 1 });
      expect(await keys()).toEqual([form.fields.key]);
      const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + ABANDONED_AFTER + 2000);
      await storage.directUpload({ maxSize: 1 });
      clock.mockRestore();
      await until(async () => (await keys()).length === 0);
    });
  });
});
