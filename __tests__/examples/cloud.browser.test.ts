import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Browser, BrowserContext, BrowserContextOptions, Page, Response } from 'playwright-core';
import { findChromium, launchChromium } from '../support/chromium.js';
import { type ExampleProcess, ExampleProject } from '../support/example-server.js';
import { removeFolder } from '../support/folders.js';
import { pngOf } from '../support/png.js';
import { TestBucket } from '../support/s3.js';
import { describeWith, startS3Server } from '../support/servers/index.js';
import { until } from '../support/until.js';

const RED: [number, number, number] = [200, 30, 30];
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const MEGABYTE = 1024 * 1024;

const chromium = findChromium();
if (!chromium)
  console.warn('SKIPPED: the page of examples/cloud, since there is no Chromium; CHROMIUM_PATH names one');
const describeInChromium = chromium ? describe : describe.skip;

await describeWith('examples/cloud', [startS3Server], (s3) => {
  const { accessKeyId, secretAccessKey } = s3.credentials;
  const ACCOUNT = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  let project: ExampleProject;
  let server: ExampleProcess;
  let bucket: TestBucket;
  let folder: string;

  beforeAll(async () => {
    project = await ExampleProject.build();
    folder = await mkdtemp(join(tmpdir(), 'filedepot-cloud-'));
  });

  beforeEach(() => {
    bucket = new TestBucket(s3);
  });

  afterEach(async () => {
    await server?.stop();
    bucket.client.destroy();
  });

  afterAll(async () => {
    await project?.remove();
    await removeFolder(folder);
  });

  async function start(): Promise<void> {
    const query = new URLSearchParams({ endpoint: s3.endpoint, region: s3.region, createBucket: 'true' });
    const DEPOT_URL = `s3://${bucket.name}/page?${query}`;
    server = await project.run({ DEPOT_URL, ...ACCOUNT }, 'cloud');
    if (server.url === '') throw new Error(server.errors);
  }

  /** Of the files, and of what is on its way. */
  const keys = () => bucket.keys('page/');

  describe('its server', () => {
    test('sends clients on to the bucket', async () => {
      await start();
      const created = await fetch(`${server.url}/files/a.txt`, { method: 'PUT', body: 'hello' });
      const { url, id } = (await created.json()) as { url: string; id: string };
      expect(await keys()).toEqual([`page/${id}`]);
      const answer = await fetch(server.url + url, { redirect: 'manual' });
      const location = answer.headers.get('location') ?? '';
      expect([answer.status, new URL(location).origin]).toEqual([302, s3.endpoint]);
      expect(await (await fetch(location)).text()).toBe('hello');
      const head = await fetch(server.url + url, { method: 'HEAD' });
      expect([head.status, head.url, head.headers.get('content-length')]).toEqual([
        200,
        server.url + url,
        '5',
      ]);
    });

    test('needs to know where the files are, and says what is wrong', async () => {
      for (const [settings, said] of [
        [{}, 'DEPOT_URL must say where the files are'],
        [{ DEPOT_URL: 's3:' }, 'The URL of a bucket is written like s3://bucket/folder'],
        [{ DEPOT_URL: `s3://none?endpoint=${s3.endpoint}&region=x`, ...ACCOUNT }, 'bucket "none"'],
      ] as const) {
        const refused = await project.run(settings, 'cloud');
        expect(await refused.ended).toBe(1);
        expect(refused.errors).toContain(said);
      }
    });
  });

  describeInChromium('its page, in Chromium', () => {
    let browser: Browser;
    let context: BrowserContext;
    let page: Page;
    let complaints: string[];

    beforeAll(async () => {
      browser = await launchChromium(chromium ?? '');
    });

    afterEach(() => context?.close());
    afterAll(() => browser?.close());

    async function open(options: BrowserContextOptions = {}): Promise<void> {
      await start();
      context = await browser.newContext({ locale: 'en-GB', ...options });
      page = await context.newPage();
      page.setDefaultTimeout(10_000);
      complaints = [];
      page.on('filechooser', () => {}); // from here on, a chooser that opens is caught
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
      await page.goto(server.url);
      await page.getByText('Nothing here yet').waitFor();
    }

    const fileRow = (name: string) =>
      page.locator('.file').filter({ has: page.getByRole('link', { name, exact: true }) });
    const button = (name: string) => page.getByRole('button', { name, exact: true });
    const choose = (...files: { name: string; mimeType: string; buffer: Buffer }[]) =>
      page.setInputFiles('#chooser', files);
    const thumbnailWidth = (name: string) =>
      fileRow(name)
        .locator('img')
        .evaluate<number, { naturalWidth: number }>((image) => image.naturalWidth);

    async function uploaded(...names: string[]): Promise<void> {
      for (const name of names) await fileRow(name).waitFor();
      await until(async () => (await page.locator('.upload').count()) === 0, 'the uploads to end');
    }

    test('draws pictures that come from the bucket', async () => {
      await open();
      const fromBucket: Response[] = [];
      page.on('response', (response) => response.url().startsWith(s3.endpoint) && fromBucket.push(response));
      await choose(
        { name: 'picture.png', mimeType: 'image/png', buffer: pngOf(30, 20, RED) },
        { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') },
      );
      await uploaded('picture.png', 'notes.txt');
      await until(async () => (await thumbnailWidth('picture.png')) === 30, 'the thumbnail');
      expect(fromBucket.map((response) => response.status())).toEqual([200]);
      expect(new URL(fromBucket[0]?.url() ?? '').searchParams.has('X-Amz-Signature')).toBe(true);
      expect(fromBucket[0]?.request().redirectedFrom()?.url()).toMatch(`${server.url}/depot/default/`);
      await page.reload();
      await uploaded('picture.png', 'notes.txt');
      expect(await fileRow('notes.txt').locator('.facts').textContent()).toMatch(/^Text5 bytes/);
      expect(complaints).toEqual([]);
    });

    test('downloads from the bucket, under the right name', async () => {
      await open();
      const content = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
      await choose({ name: 'Übersicht 表.bin', mimeType: 'application/octet-stream', buffer: content });
      await uploaded('Übersicht 表.bin');
      const downloading = page.waitForEvent('download');
      await page.getByRole('link', { name: 'Download Übersicht 表.bin' }).click();
      const download = await downloading;
      expect(download.url()).toMatch(s3.endpoint);
      expect(download.suggestedFilename()).toBe('Übersicht 表.bin');
      expect(content.equals(await readFile(await download.path()))).toBe(true);
    });

    test('replaces a file, and shows the new one at once', async () => {
      await open();
      await choose({ name: 'old.png', mimeType: 'image/png', buffer: pngOf(30, 20, RED) });
      await uploaded('old.png');
      await until(async () => (await thumbnailWidth('old.png')) === 30, 'the thumbnail');
      const chooser = page.waitForEvent('filechooser');
      await button('Replace old.png').click();
      const content = { name: 'new.png', mimeType: 'image/png', buffer: pngOf(44, 20, RED) };
      await (await chooser).setFiles(content);
      await uploaded('new.png');
      await until(async () => (await thumbnailWidth('new.png')) === 44, 'the new thumbnail');
      const downloading = page.waitForEvent('download');
      await page.getByRole('link', { name: 'Download new.png' }).click();
      expect((await downloading).suggestedFilename()).toBe('new.png');
      expect(complaints).toEqual([]);
    });

    test('deletes a file from the bucket', async () => {
      await open();
      await choose({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('a') });
      await uploaded('a.txt');
      expect(await keys()).toHaveLength(1);
      await button('Delete a.txt').click();
      await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
      await page.getByText('Nothing here yet').waitFor();
      expect(await keys()).toEqual([]);
    });

    test('leaves nothing in the bucket of an upload that is cancelled midway', async () => {
      await open();
      const session = await context.newCDPSession(page);
      await session.send('Network.enable');
      const slow = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 8 * MEGABYTE };
      await session.send('Network.emulateNetworkConditions', slow);
      const path = join(folder, 'large.bin');
      await writeFile(path, Buffer.alloc(40 * MEGABYTE, 'x'));
      await page.setInputFiles('#chooser', path);
      await until(async () => (await bucket.uploads('page/')).length > 0, 'the upload to reach the bucket');
      await button('Cancel the upload of large.bin').click();
      await until(async () => (await bucket.uploads('page/')).length === 0, 'the bucket to be clean');
      expect(await keys()).toEqual([]);
    });

    test('fits on a phone', async () => {
      await open(PHONE);
      const long = `${'an-unbroken-name-'.repeat(14)}.txt`;
      await choose(
        { name: long, mimeType: 'text/plain', buffer: Buffer.from('hello') },
        { name: 'picture.png', mimeType: 'image/png', buffer: pngOf(30, 20, RED) },
      );
      await uploaded(long, 'picture.png');
      await until(async () => (await thumbnailWidth('picture.png')) === 30, 'the thumbnail');
      expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBe(360);
      expect(complaints).toEqual([]);
    });
  });
});
