import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { planStorage } from '../../lib/depot/config.js';
import { locatedMongo, parseStorageUrl } from '../../lib/depot/storage-url.js';
import { GCSStorage } from '../../lib/storages/gcs.js';
import { GridFSStorage } from '../../lib/storages/gridfs.js';
import { LocalStorage } from '../../lib/storages/local.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { S3Storage } from '../../lib/storages/s3.js';
import { removeFolder } from '../support/folders.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'depot config é-'));
});
afterAll(() => removeFolder(folder));

function open(options: Record<string, unknown>) {
  return planStorage(Object.entries(options)).open();
}

function openUrl(url: unknown) {
  return open({ url });
}

async function openedFolder(url: string): Promise<string> {
  const storage = openUrl(url);
  await storage.check();
  await storage.close();
  if (!(storage instanceof LocalStorage)) throw new Error('Not a LocalStorage');
  return storage.storagePath;
}

describe('options of a backend', () => {
  test('memory', () => {
    expect(open({ backend: 'memory' })).toBeInstanceOf(MemoryStorage);
  });

  test.each(['storagePath', 'storage_path'])('local, with %s', async (name) => {
    const storage = open({ backend: 'local', [name]: join(folder, name), durability: 'rename' });
    await storage.check();
    expect(storage).toMatchObject({ storagePath: join(folder, name) });
    await storage.close();
  });

  test.each([
    [{}, 'A storage needs a "backend"; there are: gcs, gridfs, local, memory, s3'],
    [{ backend: 'ftp' }, 'There is no backend "ftp"; there are: gcs, gridfs, local, memory, s3'],
    [
      { backend: 'constructor' },
      'There is no backend "constructor"; there are: gcs, gridfs, local, memory, s3',
    ],
    [{ backend: 'local' }, 'Backend "local": the option "storagePath" is missing'],
    [{ backend: 'local', storagePath: '' }, 'Backend "local": the option "storagePath" must be a text'],
    [{ backend: 'local', storagePath: 7 }, 'Backend "local": the option "storagePath" must be a text'],
    [{ backend: 'local', storagePath: 'a\0b' }, 'Backend "local": the option "storagePath" must be a text'],
    [
      { backend: 'local', storagePath: 'x', durability: 'none' },
      'Backend "local": the option "durability" must be one of fsync, rename',
    ],
    [
      { backend: 'local', storagePath: 'x', bucket: 'y' },
      'Backend "local": no option is called "bucket"; there are: storagePath, durability',
    ],
    [
      { backend: 'local', storagePath: 'x', storage_path: 'y' },
      'Backend "local": the option "storagePath" is given twice',
    ],
    [
      { backend: 'memory', constructor: 1 },
      'Backend "memory": no option is called "constructor"; there are: none',
    ],
    [{ backend: 'memory', url: 'memory:' }, 'A storage has either a "backend" or a "url", not both'],
  ])('%j fails', (options, message) => {
    expect(() => open(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', message }));
  });
});

describe('URLs', () => {
  test.each(['memory:', 'memory://', 'MEMORY:'])('%s', (url) => {
    expect(openUrl(url)).toBeInstanceOf(MemoryStorage);
  });

  test('file: with an absolute path, decoded', async () => {
    const path = join(folder, 'a b%');
    expect(await openedFolder(pathToFileURL(path).href)).toBe(path);
    expect(await openedFolder(`file:${encodeURI(path)}`)).toBe(path);
    expect(await openedFolder(`file://localhost${encodeURI(path)}`)).toBe(path);
  });

  test('file: with a path relative to the working directory', async () => {
    const path = join(folder, 'relative');
    expect(await openedFolder(`file:${relative(process.cwd(), path)}`)).toBe(path);
  });

  test('options as the query', async () => {
    expect(await openedFolder(`${pathToFileURL(folder)}?durability=rename`)).toBe(folder);
  });

  test.each([
    ['s3://photos', { bucket: 'photos', prefix: '' }],
    ['s3://photos/?region=eu-west-1', { bucket: 'photos', prefix: '' }],
    ['s3://photos/a/b?create_bucket=true&partSize=5242880', { bucket: 'photos', prefix: 'a/b/' }],
    ['s3://photos/a%20b/', { bucket: 'photos', prefix: 'a b/' }],
    ['s3://photos?prefix=thumb-', { bucket: 'photos', prefix: 'thumb-' }],
    ['s3://photos?serve=stream', { serve: 'stream' }],
  ])('%s', (url, properties) => {
    expect(openUrl(url)).toBeInstanceOf(S3Storage);
    expect(openUrl(url)).toMatchObject(properties);
  });

  test.each([
    ['gs://photos', { bucket: 'photos', prefix: '' }],
    [
      'gs://photos/a/b?create_bucket=true&project_id=acme&chunkSize=262144',
      { bucket: 'photos', prefix: 'a/b/', pieceSize: 262144 },
    ],
    ['gs://photos?key_filename=key.json&uniform_bucket_level_access=true', { prefix: '' }],
  ])('%s', (url, properties) => {
    expect(openUrl(url)).toBeInstanceOf(GCSStorage);
    expect(openUrl(url)).toMatchObject(properties);
  });

  test('options beside the URL', () => {
    expect(open({ url: pathToFileURL(folder).href, durability: 'fsync' })).toBeInstanceOf(LocalStorage);
  });

  test.each([
    ['', /^Not the URL of a storage/],
    ['./uploads', /^Not the URL of a storage/],
    ['memory:#a', /^Not the URL of a storage/],
    [7, /^Not the URL of a storage/],
    [
      'ftp://user:secret@host/',
      'There is no storage for URLs of "ftp:"; there are: gs:, mongodb:, mongodb+srv:, file:, memory:, s3:',
    ],
    [
      'C:\\files',
      'There is no storage for URLs of "c:"; there are: gs:, mongodb:, mongodb+srv:, file:, memory:, s3:',
    ],
    ['s3://photos?partSize=5242879', 'partSize must be 5 MiB to 5 GiB, in bytes'],
    ['file:', /needs a path/],
    ['file://', /needs a path/],
    ['file:?durability=rename', /needs a path/],
    ['file://host/folder', /is written like/],
    ['file://./folder', /is written like/],
    ['file:./a%zz', /is written like/],
    ['file:./a%2fb', /is written like/],
    ['file:./a%00b', /must be a text/],
    ['memory:files', /has no path/],
    ['memory:?size=1', 'Backend "memory": no option is called "size"; there are: none'],
    ['file:./x?durability=none', /must be one of fsync, rename/],
    ['file:./x?durability=fsync&durability=fsync', /twice/],
    ['file:./x?storage_path=/etc', /twice/],
    ['s3:', /is written like s3:/],
    ['s3:photos', /is written like s3:/],
    ['s3:///photos', /is written like s3:/],
    ['s3://key:secret@photos', /is written like s3:/],
    ['s3://photos/%zz', /not well encoded/],
    ['gs:photos', /is written like gs:/],
    ['gs://photos?chunkSize=1000', /multiple of 262144/],
    ['gs://photos?credentials=a', /must be an object with client_email and private_key/],
    ['s3://photos/a?prefix=b', /twice/],
    ['s3://photos?createBucket=yes', /must be true or false/],
    ['s3://photos?partSize=1', /5 MiB to 5 GiB/],
    ['s3://photos?endpoint=host', /endpoint must be an http: or https: URL/],
    ['s3://photos?accessKeyId=a', /must be given together/],
    ['s3://photos?credentials=a', /must be an object with accessKeyId and secretAccessKey or a function/],
    ['file:./x?backend=memory', /no option is called "backend"/],
  ])('%j fails', (url, message) => {
    expect(() => openUrl(url)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    expect(() => openUrl(url)).toThrow(message);
  });

  test('a password is not repeated in errors', () => {
    const secret = 'hunter2';
    for (const url of [
      `ftp://a:${secret}@b`,
      `//a:${secret}@b`,
      `memory://a:${secret}@b`,
      `file:./x?durability=${secret}`,
    ]) {
      expect(() => openUrl(url)).toThrow(
        expect.not.objectContaining({ message: expect.stringContaining(secret) }),
      );
    }
  });
});

describe('private', () => {
  const settingsOf = (options: Record<string, unknown>) => planStorage(Object.entries(options)).settings;

  test.each([
    [{ backend: 'memory', private: true }],
    [{ url: 'memory:?private=true' }],
    [{ url: 'memory:', private: 'true' }],
    [{ url: 'mongodb://h/files?private=true' }],
    [{ url: 's3://photos?private=true&policy=private' }],
  ])('%j', (options) => {
    expect(settingsOf(options)).toEqual({ private: true });
  });

  test('is nothing unless it is said to be', () => {
    expect(settingsOf({ backend: 'memory' })).toEqual({});
    expect(settingsOf({ url: 'memory:?private=false' })).toEqual({ private: false });
  });

  test.each([
    [{ url: 'memory:?private=yes' }, 'Backend "memory": the option "private" must be true or false'],
    [{ url: 'memory:?private=true', private: true }, 'Backend "memory": the option "private" is given twice'],
    [
      { url: 's3://photos?private=true&policy=public-read' },
      'Backend "s3": what is "private" cannot have the option "policy" too',
    ],
    [
      { backend: 's3', bucket: 'photos', private: true, public_url: 'https://cdn.example' },
      'Backend "s3": what is "private" cannot have the option "public_url" too',
    ],
  ])('%j fails', (options, message) => {
    expect(() => open(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', message }));
  });
});

test('a plus in a URL is one, as secrets have it', () => {
  const { query } = parseStorageUrl('s3://b?secretAccessKey=ab+cd/ef%2Bg');
  expect(query).toEqual([['secretAccessKey', 'ab+cd/ef+g']]);
});

describe('GridFS', () => {
  test.each([
    ['mongodb://a:b%40c@h1:1,h2:2/files', { uri: 'mongodb://a:b%40c@h1:1,h2:2/files' }],
    ['mongodb+srv://h/files', { uri: 'mongodb+srv://h/files' }],
    ['mongodb://h/files?collection=a', { uri: 'mongodb://h/files', collection: 'a' }],
    [
      'mongodb://h/files?replicaSet=rs0&chunk_size_bytes=4096&authSource=admin',
      { uri: 'mongodb://h/files?replicaSet=rs0&authSource=admin', chunk_size_bytes: '4096' },
    ],
    ['mongodb://h/files?authSource=a+b', { uri: 'mongodb://h/files?authSource=a%2Bb' }],
  ])('%s: what is not ours goes to the driver', (url, options) => {
    expect(Object.fromEntries(locatedMongo(parseStorageUrl(url)))).toEqual(options);
    expect(openUrl(url)).toBeInstanceOf(GridFSStorage);
  });

  test('a client of the application', () => {
    expect(open({ backend: 'gridfs', client: { db: () => ({}) } })).toBeInstanceOf(GridFSStorage);
    expect(open({ backend: 'gridfs', db: { collection: () => ({}), databaseName: 'x' } })).toBeInstanceOf(
      GridFSStorage,
    );
  });

  test.each([
    [{ backend: 'gridfs' }, 'One of uri, client and db must be given'],
    [
      { backend: 'gridfs', uri: 'mongodb://h/x', client: { db() {} } },
      'One of uri, client and db must be given',
    ],
    [{ backend: 'gridfs', client: {} }, /"client" must be an object with db/],
    [{ backend: 'gridfs', uri: 'http://user:secret@h/x' }, /^uri must begin with mongodb/],
    [{ backend: 'gridfs', uri: 'mongodb:///x' }, /^uri must begin with mongodb/],
    [{ backend: 'gridfs', uri: 'mongodb://h' }, /^uri must name a database/],
    [{ backend: 'gridfs', uri: 'mongodb://h/?replicaSet=a' }, /^uri must name a database/],
    [{ backend: 'gridfs', uri: 'mongodb://h/x', collection: '$a' }, /^Not the name of a collection/],
    [{ backend: 'gridfs', uri: 'mongodb://h/x', chunkSizeBytes: 100 }, /^chunkSizeBytes must be from 1024/],
    [{ backend: 'gridfs', uri: 'mongodb://h/x', chunkSizeBytes: '1kb' }, /must be a whole number from 1/],
  ])('%j fails', (options, message) => {
    expect(() => open(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    expect(() => open(options)).toThrow(message);
  });
});
