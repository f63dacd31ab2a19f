import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Storage } from '@google-cloud/storage';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MongoClient } from 'mongodb';
import { Client } from 'pg';
import { FaultProxy } from '../support/fault-proxy.js';
import { removeFolder } from '../support/folders.js';
import { isRunning } from '../support/process.js';
import {
  describeWith,
  type GcsServer,
  type MongoServer,
  type PostgresServer,
  pythonWithDepot,
  type S3Server,
  startGcsServer,
  startMongoServer,
  startPostgresServer,
  startS3Server,
  type TestServer,
} from '../support/servers/index.js';

const run = promisify(execFile);

/** What a client does with one file, on the server at a URL. */
interface Trial {
  store(url: string): Promise<void>;
  read(url: string): Promise<string>;
}

const BUCKET = 'bucket';
const KEY = 'key';
const CONTENT = 'content';

function tryS3({ region, credentials }: S3Server): Trial {
  const connect = (endpoint: string) => new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  return {
    async store(url) {
      const client = connect(url);
      await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
      await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: KEY, Body: CONTENT }));
      client.destroy();
    },
    async read(url) {
      const client = connect(url);
      const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: KEY }));
      const content = await Body?.transformToString();
      client.destroy();
      return content ?? '';
    },
  };
}

function tryGcs({ projectId }: GcsServer): Trial {
  const connect = (apiEndpoint: string) => new Storage({ apiEndpoint, projectId }).bucket(BUCKET);
  return {
    async store(url) {
      await connect(url).create();
      await connect(url).file(KEY).save(CONTENT);
    },
    async read(url) {
      const [content] = await connect(url).file(KEY).download();
      return content.toString();
    },
  };
}

/** With a transaction where the server is a replica set. */
function tryMongo({ url }: MongoServer): Trial {
  const withTransactions = url.includes('replicaSet');
  return {
    async store(url) {
      await using client = await MongoClient.connect(url);
      await using session = client.startSession();
      const insert = () =>
        client
          .db()
          .collection(BUCKET)
          .insertOne({ content: CONTENT }, withTransactions ? { session } : {});
      await (withTransactions ? session.withTransaction(insert) : insert());
    },
    async read(url) {
      await using client = await MongoClient.connect(url);
      const found = await client.db().collection(BUCKET).findOne();
      return found?.content;
    },
  };
}

/** In a database of its own. */
async function tryPostgres(server: PostgresServer): Promise<Trial & { readonly url: string }> {
  const query = async (url: string, sql: string) => {
    const client = new Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query(sql);
    await client.end();
    return rows;
  };
  return {
    url: await server.createDatabase(),
    async store(url) {
      await query(url, `CREATE TABLE files AS SELECT '${CONTENT}' AS content`);
    },
    async read(url) {
      const [row] = await query(url, 'SELECT content FROM files');
      return row.content;
    },
  };
}

/** What is true of every server that the tests start; it is stopped at the end. */
function testServer(server: TestServer, url: string, urlBehindProxy: string, { store, read }: Trial): void {
  test('stores and reads', async () => {
    await store(url);
    expect(await read(url)).toBe(CONTENT);
  });

  test('can be used through a proxy', async () => {
    const proxy = await FaultProxy.start(urlBehindProxy);
    expect(await read(proxy.url)).toBe(CONTENT);
    expect(proxy.connections).toBeGreaterThan(0);
    await proxy.stop();
  });

  test('has its data at the same address after a restart', async () => {
    const { pid } = server;
    await server.restart();
    expect(server.pid).not.toBe(pid);
    expect(await read(url)).toBe(CONTENT);
  });

  test('has its data after a crash', async () => {
    process.kill(server.pid ?? 0, 'SIGKILL');
    await server.restart();
    expect(await read(url)).toBe(CONTENT);
  });

  test('stops and leaves no process and no folder', async () => {
    const { pid = 0, folder = '' } = server;
    expect(isRunning(pid)).toBe(true);
    expect(existsSync(folder)).toBe(true);
    await server.stop();
    expect(isRunning(pid)).toBe(false);
    expect(existsSync(folder)).toBe(false);
    expect(server.pid).toBeUndefined();
  });

  test('can be stopped again', async () => {
    await expect(server.stop()).resolves.toBeUndefined();
  });
}

await describeWith('S3 server', [startS3Server], (server) => {
  testServer(server, server.endpoint, server.endpoint, tryS3(server));
});

await describeWith('Google Cloud Storage server', [() => startGcsServer({ persistent: true })], (server) => {
  testServer(server, server.endpoint, server.endpoint, tryGcs(server));
});

await describeWith('Google Cloud Storage server in memory', [startGcsServer], (server) => {
  test('stores and reads', async () => {
    const { store, read } = tryGcs(server);
    await store(server.endpoint);
    expect(await read(server.endpoint)).toBe(CONTENT);
  });

  test('has URLs signed with its credentials', async () => {
    const { endpoint: apiEndpoint, projectId, credentials } = server;
    const file = new Storage({ apiEndpoint, projectId, credentials }).bucket(BUCKET).file(KEY);
    const [url] = await file.getSignedUrl({ version: 'v4', action: 'read', expires: Date.now() + 60_000 });
    const answer = await fetch(url);
    expect(await answer.text()).toBe(CONTENT);
  });
});

await describeWith('MongoDB replica set', [startMongoServer], (server) => {
  testServer(server, server.url, server.directUrl, tryMongo(server));
});

await describeWith('MongoDB server', [() => startMongoServer({ replicaSet: false })], (server) => {
  testServer(server, server.url, server.directUrl, tryMongo(server));
});

const startWithDatabase = async () => {
  const server = await startPostgresServer();
  return Object.assign(server, await tryPostgres(server));
};

await describeWith('PostgreSQL server', [startWithDatabase], (server) => {
  testServer(server, server.url, server.url, server);
});

await describeWith('Python', [async () => pythonWithDepot()], (python) => {
  test('has filedepot and the clients of its backends', async () => {
    const { stdout } = await run(python, [
      '-c',
      'import depot.manager, boto3, pymongo, google.cloud.storage; print("here")',
    ]);
    expect(stdout).toBe('here\n');
  });
});

describe('a server that does not start', () => {
  let folder: string;
  const { PATH } = process.env;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'filedepot-broken-'));
    await writeFile(join(folder, 'versitygw'), '#!/bin/sh\necho "no room for $2"; exit 7\n', { mode: 0o755 });
    process.env.PATH = `${folder}${delimiter}${PATH}`;
  });

  afterAll(async () => {
    process.env.PATH = PATH;
    await removeFolder(folder);
  });

  test('says what its log says', async () => {
    await expect(startS3Server()).rejects.toThrow(
      /versitygw did not start: .*\nno room for 127.0.0.1:\d+\n$/s,
    );
  });
});

describe('servers of the environment', () => {
  const url = 'http://127.0.0.1:1';

  test.each([
    ['DEPOT_TEST_S3_URL', async () => startS3Server()],
    ['DEPOT_TEST_GCS_URL', async () => startGcsServer()],
    ['DEPOT_TEST_MONGODB_URL', async () => startMongoServer()],
    ['DEPOT_TEST_POSTGRES_URL', async () => startPostgresServer()],
  ] as const)('%s is used as it is', async (variable, start) => {
    process.env[variable] = url;
    try {
      const server = await start();
      expect(JSON.stringify(server)).toContain(url);
      expect(server.isOwn).toBe(false);
      await expect(server.restart()).rejects.toThrow('cannot be restarted');
      await server.stop();
    } finally {
      delete process.env[variable];
    }
  });
});
