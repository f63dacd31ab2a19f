import { randomUUID } from 'node:crypto';
import dns from 'node:dns';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { S3Storage, S3StorageOptions } from '../../lib/storages/s3.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { TestBucket } from '../support/s3.js';
import { describeWith, startS3Server } from '../support/servers/index.js';

const MiB = 1024 * 1024;

/** All that the AWS SDK is told of an endpoint by its environment. */
const NAMES = ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_CONFIG_FILE'] as const;

await describeWith('An endpoint that the environment tells', [startS3Server], (server) => {
  const bucket = new TestBucket(server);
  const opened: S3Storage[] = [];
  const { region, credentials } = server;
  const environment = { ...process.env };
  let folder: string;
  let proxy: FaultProxy;
  let lookUp: jest.SpiedFunction<typeof dns.lookup>;

  beforeEach(async () => {
    proxy = await FaultProxy.start(server.endpoint);
    folder = await mkdtemp(join(tmpdir(), 'depot-'));
    lookUp = jest.spyOn(dns, 'lookup');
    for (const name of NAMES) delete process.env[name];
  });

  afterEach(async () => {
    for (const name of NAMES) {
      delete process.env[name];
      if (environment[name] !== undefined) process.env[name] = environment[name];
    }
    lookUp.mockRestore();
    await Promise.all(opened.splice(0).map((storage) => storage.close()));
    await proxy.stop();
    await rm(folder, { recursive: true });
  });

  afterAll(() => bucket.client.destroy());

  /** @param name of the variable that tells it, directly or by a file */
  async function setEndpoint(name: (typeof NAMES)[number]): Promise<void> {
    process.env[name] = proxy.url;
    if (name !== 'AWS_CONFIG_FILE') return;
    process.env[name] = join(folder, 'config');
    await writeFile(process.env[name], `[default]\nendpoint_url = ${proxy.url}\n`);
  }

  function open(options: Partial<S3StorageOptions> = {}): S3Storage {
    const storage = bucket.open({ endpoint: undefined, partSize: 5 * MiB, ...options });
    opened.push(storage);
    return storage;
  }

  const puts = () =>
    proxy.requests.filter((request) => request.startsWith('PUT ') && request.includes('key-'));

  test.each(NAMES)('by %s: small files and parts go there, once, and nowhere else', async (name) => {
    await setEndpoint(name);
    const storage = open({ prefix: `key-${randomUUID()}/` });
    const send = jest.spyOn(S3Client.prototype, 'send');
    const file = await storage.get(await storage.create('small'));
    expect(await file.text()).toBe('small');
    expect(puts()).toHaveLength(1);
    const content = Buffer.alloc(12 * MiB, 'large ');
    const large = await storage.get(await storage.create(content));
    expect((await large.buffer()).equals(content)).toBe(true);
    expect(puts().filter((request) => request.includes('partNumber'))).toHaveLength(3);
    const commands = send.mock.calls.map(([command]) => command.constructor.name);
    expect(commands.filter((command) => /^(PutObject|UploadPart)Command$/.test(command))).toEqual([]);
    send.mockRestore();
    expect(lookUp.mock.calls.map(([host]) => host).filter((host) => host !== '127.0.0.1')).toEqual([]);
  });

  test('an endpoint that is given counts for more', async () => {
    process.env.AWS_ENDPOINT_URL_S3 = 'http://127.0.0.1:9';
    const storage = open({ endpoint: proxy.url, prefix: `key-${randomUUID()}/` });
    await storage.create('x');
    expect(puts()).toHaveLength(1);
  });

  test.each([true, false])('public URLs lead there (own client: %s)', async (isOwn) => {
    await setEndpoint('AWS_ENDPOINT_URL');
    const client = isOwn ? new S3Client({ region, credentials }) : undefined;
    const storage = open({ policy: 'public-read', bucket: `${bucket.name}-public`, client });
    const { id, publicUrl } = await storage.get(await storage.create('x'));
    expect(publicUrl).toBe(`${proxy.url}/${bucket.name}-public/${storage.prefix}${id}`);
    client?.destroy();
  });
});
