import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { findChromium, launchChromium } from '../support/chromium.js';
import { type ExampleProcess, ExampleProject } from '../support/example-server.js';
import { fileNamesIn, removeFolder } from '../support/folders.js';
import { HoldingProxy } from '../support/holding-proxy.js';
import { pngOf } from '../support/png.js';
import { until } from '../support/until.js';

const RED: [number, number, number] = [200, 30, 30];
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const MEGABYTE = 1024 * 1024;
const LARGE = Buffer.alloc(20 * MEGABYTE, 'x');

const chromium = findChromium();
if (!chromium)
  console.warn('SKIPPED: the page of examples/basic, since there is no Chromium; CHROMIUM_PATH names one');
const describeInChromium = chromium ? describe : describe.skip;

describeInChromium('The page of examples/basic, in Chromium', () => {
  let project: ExampleProject;
  let browser: Browser;
  let folder: string;
  let server: ExampleProcess;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    project = await ExampleProject.build();
    browser = await launchChromium(chromium ?? '');
  });

  afterAll(async () => {
    await browser?.close();
    await project?.remove();
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'filedepot-page-'));
  });

  afterEach(async () => {
    await context?.close();
    await server?.stop();
    await removeFolder(folder);
  });

  async function open(
    settings: Record<string, string> = {},
    options: BrowserContextOptions = {},
  ): Promise<void> {
    server = await project.run({ DEPOT_URL: `file:${folder}/depot`, ...settings });
    context = await browser.newContext({ locale: 'en-GB', ...options });
    page = await context.newPage();
    page.setDefaultTimeout(10_000);
    complaints = [];
    page.on('filechooser', () => {}); // from here on, a chooser that opens is caught
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await page.goto(server.url);
  }

  const fileRows = () => page.locator('.file');
  const uploadRows = () => page.locator('.upload');
  const fileRow = (name: string) => fileRows().filter({ has: page.getByRole('link', { name, exact: true }) });
  const uploadRow = (name: string) => uploadRows().filter({ hasText: name });
  const button = (name: string) => page.getByRole('button', { name, exact: true });

  async function choose(...files: { name: string; mimeType: string; buffer: Buffer }[]): Promise<void> {
    await page.setInputFiles('#chooser', files);
  }

  /** Of a file that is too large for Playwright to hand over by itself. */
  async function chooseLarge(content: Buffer, ...names: string[]): Promise<void> {
    const paths = names.map((name) => join(folder, name));
    for (const path of paths) await writeFile(path, content);
    await page.setInputFiles('#chooser', paths);
  }

  /** Opens the page by a proxy that can hold back what the server answers. */
  async function openThroughProxy(): Promise<HoldingProxy> {
    await open();
    const proxy = await HoldingProxy.start(server.url);
    await page.goto(proxy.url);
    await page.getByText('Nothing here yet').waitFor();
    return proxy;
  }

  async function uploaded(...names: string[]): Promise<void> {
    for (const name of names) await fileRow(name).waitFor();
    await until(async () => (await uploadRows().count()) === 0, 'the uploads to end');
  }

  async function slowDown(): Promise<void> {
    const session = await context.newCDPSession(page);
    await session.send('Network.enable');
    const uploadThroughput = 2 * MEGABYTE;
    const conditions = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput };
    await session.send('Network.emulateNetworkConditions', conditions);
  }

  const filesOnDisk = () => fileNamesIn(join(folder, 'depot'));

  const evaluate = <Result>(expression: string) => page.evaluate<Result>(expression);
  const focusedName = () =>
    evaluate<string>(
      'document.activeElement.getAttribute("aria-label") ?? (document.activeElement.id || document.activeElement.textContent.trim())',
    );
  const width = () => evaluate<number>('document.documentElement.scrollWidth');

  test('invites where there is nothing yet', async () => {
    await open();
    await page.getByText('Nothing here yet').waitFor();
    await page.getByText('Any type, up to 100 MB each').waitFor();
    expect(await fileRows().count()).toBe(0);
    expect(await page.locator('#uploads').isVisible()).toBe(false);
    expect(complaints).toEqual([]);
  });

  test('uploads several files and shows name, type, size and date of each, also after a reload', async () => {
    await open();
    await choose(
      { name: 'picture.png', mimeType: 'image/png', buffer: pngOf(30, 20, RED) },
      { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') },
      { name: 'empty.bin', mimeType: '', buffer: Buffer.alloc(0) },
      { name: 'Übersicht – 表.csv', mimeType: 'text/csv', buffer: Buffer.from('a,b\n') },
    );
    await uploaded('picture.png', 'notes.txt', 'empty.bin', 'Übersicht – 表.csv');
    await page.reload();
    await uploaded('picture.png', 'notes.txt', 'empty.bin', 'Übersicht – 表.csv');
    expect(await fileRow('notes.txt').locator('.facts').textContent()).toMatch(/^Text5 bytesjust now$/);
    expect(await page.locator('#summary').textContent()).toMatch(/^4 files · \d+ bytes$/);
    const date = await fileRow('notes.txt').locator('time').getAttribute('datetime');
    expect(Math.abs(Date.now() - Date.parse(date ?? ''))).toBeLessThan(60_000);
    expect(await page.getByText('Nothing here yet').isVisible()).toBe(false);
    expect(complaints).toEqual([]);
  });

  test('takes files that are dropped or pasted anywhere', async () => {
    await open();
    const transfer = (name: string) => `(() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(['content'], '${name}', { type: 'text/plain' }));
      return transfer;
    })()`;
    await evaluate(
      `document.querySelector('h1').dispatchEvent(new DragEvent('dragenter', { bubbles: true, dataTransfer: ${transfer('dropped.txt')} }))`,
    );
    await page.getByText('Let go to upload').waitFor();
    const prevented = await evaluate(
      `!document.querySelector('h1').dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: ${transfer('dropped.txt')} }))`,
    );
    await evaluate(
      `document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: ${transfer('pasted.txt')} }))`,
    );
    await uploaded('dropped.txt', 'pasted.txt');
    expect(prevented).toBe(true);
    expect(await page.getByText('Let go to upload').isVisible()).toBe(false);
  });

  test('draws images as thumbnails, and an icon for what is none', async () => {
    await open();
    await choose(
      { name: 'picture.png', mimeType: 'image/png', buffer: pngOf(30, 20, RED) },
      { name: 'broken.png', mimeType: 'image/png', buffer: pngOf(30, 20, RED).subarray(0, 40) },
      { name: 'table.csv', mimeType: 'text/csv', buffer: Buffer.from('a,b') },
    );
    await uploaded('picture.png', 'broken.png', 'table.csv');
    const image = fileRow('picture.png').locator('img');
    await until(async () => (await naturalWidth(image)) > 0, 'the thumbnail to be decoded');
    expect(await naturalWidth(image)).toBe(30);
    await fileRow('broken.png').locator('img').waitFor({ state: 'hidden' });
    expect(await fileRow('table.csv').locator('img').isVisible()).toBe(false);
    expect(await fileRow('table.csv').locator('use').first().getAttribute('href')).toBe('#icon-text');
  });

  test('shows the progress of at most three uploads at once; the rest waits', async () => {
    await open();
    await slowDown();
    await chooseLarge(LARGE, '1.bin', '2.bin', '3.bin', '4.bin', '5.bin');
    const progress = page.getByRole('progressbar', { name: 'Upload of 1.bin' });
    await until(async () => Number(await progress.getAttribute('value')) > 0, 'progress');
    const seen = Number(await progress.getAttribute('value'));
    await until(async () => Number(await progress.getAttribute('value')) > seen, 'more progress');
    expect(await uploadRow('1.bin').textContent()).toMatch(/\d+% of 20 MB/);
    expect(await page.locator('#upload-list > [data-state="sending"]').count()).toBe(3);
    expect(await page.locator('#upload-list > [data-state="waiting"]').count()).toBe(2);
    await button('Cancel the upload of 1.bin').click();
    await until(
      async () => (await uploadRow('4.bin').getAttribute('data-state')) === 'sending',
      'the next to start',
    );
    await button('Cancel all').click();
    await until(async () => (await uploadRows().count()) === 0, 'all uploads to be gone');
  });

  test('leaves nothing on the disk of an upload that is cancelled midway', async () => {
    await open();
    await slowDown();
    await chooseLarge(LARGE, 'large.bin');
    await until(async () => (await filesOnDisk()).length > 0, 'the upload to reach the disk');
    await button('Cancel the upload of large.bin').click();
    await until(async () => (await filesOnDisk()).length === 0, 'the disk to be clean');
    expect(await uploadRows().count()).toBe(0);
    await page.reload();
    await page.getByText('Nothing here yet').waitFor();
  });

  test('takes back what is cancelled when the server has it already', async () => {
    const proxy = await openThroughProxy();
    proxy.hold();
    await choose({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await uploadRow('notes.txt').getByText('Saving').waitFor();
    await until(async () => (await filesOnDisk()).includes('file'), 'the file to be stored');
    await button('Cancel the upload of notes.txt').click();
    proxy.release();
    await until(async () => !(await filesOnDisk()).includes('file'), 'the file to be deleted');
    expect(await uploadRows().count()).toBe(0);
    expect(await fileRows().count()).toBe(0);
    await proxy.close();
  });

  test('shows what it cannot take back', async () => {
    const proxy = await openThroughProxy();
    await page.route('**/files/**', (route) => route.abort());
    proxy.hold();
    await choose({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await until(async () => (await filesOnDisk()).includes('file'), 'the file to be stored');
    await button('Cancel the upload of notes.txt').click();
    proxy.release();
    await fileRow('notes.txt').waitFor();
    expect(await page.getByRole('log').textContent()).toMatch(/cancelled.*notes.txt is uploaded/);
    await proxy.close();
  });

  test('takes back what is stored before the page was told that all is sent', async () => {
    await open();
    const proxy = await HoldingProxy.start(server.url);
    await context.addInitScript(
      'Object.defineProperty(XMLHttpRequestUpload.prototype, "onprogress", { set() {} })',
    );
    await page.goto(proxy.url);
    await page.getByText('Nothing here yet').waitFor();
    proxy.hold();
    await choose({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await until(async () => (await filesOnDisk()).includes('file'), 'the file to be stored');
    await button('Cancel the upload of notes.txt').click();
    proxy.release();
    await until(async () => !(await filesOnDisk()).includes('file'), 'the file to be deleted');
    await proxy.close();
  });

  test('begins nothing that waits when all is cancelled, and warns who leaves until all is taken back', async () => {
    const proxy = await openThroughProxy();
    const requests = countRequests();
    proxy.hold();
    await choose(...smallFiles(20));
    await until(async () => (await storedOnDisk()) === 3, 'the first files to be stored');
    await button('Cancel all').click();
    expect(await uploadRows().count()).toBe(0);
    expect(await warnsWhoLeaves()).toBe(true);
    proxy.release();
    await until(async () => (await storedOnDisk()) === 0, 'the files to be deleted');
    await until(async () => !(await warnsWhoLeaves()), 'the page to be at rest');
    expect(requests).toEqual({ POST: 3, DELETE: 3 });
    await proxy.close();
  });

  test('starts the next upload when the one that was cancelled before it is taken back', async () => {
    const proxy = await openThroughProxy();
    const requests = countRequests();
    proxy.hold();
    await choose(...smallFiles(5));
    await until(async () => (await storedOnDisk()) === 3, 'the first files to be stored');
    for (const name of ['0.txt', '1.txt', '2.txt']) await button(`Cancel the upload of ${name}`).click();
    expect(await uploadRows().locator('.message').allTextContents()).toEqual(['Waiting', 'Waiting']);
    proxy.release();
    await uploaded('3.txt', '4.txt');
    await until(async () => (await storedOnDisk()) === 2, 'the others to be deleted');
    expect(requests).toEqual({ POST: 5, DELETE: 3 });
    await proxy.close();
  });

  const smallFiles = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      name: `${index}.txt`,
      mimeType: 'text/plain',
      buffer: Buffer.from('hello'),
    }));

  const storedOnDisk = async () => (await filesOnDisk()).filter((name) => name === 'file').length;

  function countRequests(): Record<string, number> {
    const counts: Record<string, number> = {};
    page.on('request', (request) => {
      counts[request.method()] = (counts[request.method()] ?? 0) + 1;
    });
    return counts;
  }

  const warnsWhoLeaves = () =>
    evaluate<boolean>("!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))");

  test('says before it sends a file that it is too large or of a type that is not accepted', async () => {
    await open({ MAX_FILE_SIZE: '2kb', ACCEPT: 'image/*,video/mp4' });
    await page.getByText('Images, MP4 video, up to 2 KB each', { exact: true }).waitFor();
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.method()));
    await choose(
      { name: 'huge.png', mimeType: 'image/png', buffer: Buffer.alloc(3 * 1024) },
      { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') },
    );
    await uploadRow('huge.png').getByText('Too large: 3 KB, and the limit is 2 KB.').waitFor();
    await uploadRow('notes.txt').getByText('This type is not accepted, only images, MP4 video.').waitFor();
    expect(requests).toEqual([]);
    expect(await page.getByRole('button', { name: /^Try again/ }).count()).toBe(0);
    expect(await page.getByRole('log').textContent()).toContain('huge.png: Too large');
    await button('Dismiss huge.png').click();
    await button('Dismiss notes.txt').click();
    expect(await page.locator('#uploads').isVisible()).toBe(false);
  });

  test('says what the server refuses for its content, also while it is being sent', async () => {
    await open({ ACCEPT: 'image/*' });
    const content = Buffer.alloc(20 * MEGABYTE, '%PDF-1.4\n');
    await chooseLarge(content, 'fake.png');
    await uploadRow('fake.png').getByText('The content is not of the type that the name promises.').waitFor();
    await chooseLarge(content, 'unknown');
    await uploadRow('unknown').getByText('This type is not accepted, only images.').waitFor();
    expect(await filesOnDisk()).toEqual([]);
  });

  test('says of a film that is none that films are not accepted', async () => {
    await open({ ACCEPT: 'image/*,.pdf,text/plain' });
    await choose({ name: 'movie.mp4', mimeType: 'video/mp4', buffer: Buffer.from('xx') });
    await uploadRow('movie.mp4').getByText('This type is not accepted, only images, PDF, Text.').waitFor();
  });

  test('lets people try again when the connection was lost or the server is full', async () => {
    await open();
    await context.setOffline(true);
    await choose({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await uploadRow('notes.txt').getByText('The connection was lost.').waitFor();
    await context.setOffline(false);
    const body = JSON.stringify({ status: 507, code: 'STORAGE_FULL', title: 'Insufficient Storage' });
    const full = { status: 507, contentType: 'application/problem+json', body };
    await page.route('**/files', (route) => route.fulfill(full), { times: 1 });
    await button('Try again to upload notes.txt').click();
    await uploadRow('notes.txt').getByText('The server has no room left.').waitFor();
    await button('Try again to upload notes.txt').click();
    await uploaded('notes.txt');
  });

  test('goes on after the server died in the middle of an upload', async () => {
    await open();
    await slowDown();
    await chooseLarge(LARGE, 'large.bin');
    await until(async () => (await filesOnDisk()).length > 0, 'the upload to reach the disk');
    const { port } = new URL(server.url);
    await server.stop('SIGKILL');
    await uploadRow('large.bin').getByText('The connection was lost.').waitFor();
    server = await project.run({ DEPOT_URL: `file:${folder}/depot`, PORT: port });
    expect(await filesOnDisk()).toEqual([]);
    await button('Try again to upload large.bin').click();
    await button('Cancel the upload of large.bin').waitFor();
    await choose({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await fileRow('notes.txt').waitFor();
  });

  test('says that files cannot be listed, and lists them when asked again', async () => {
    await open();
    await choose({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await uploaded('notes.txt');
    await page.route('**/files', (route) => route.abort(), { times: 1 });
    await page.reload();
    await page.getByRole('alert').getByText('The files cannot be listed.').waitFor();
    expect(await page.getByText('Nothing here yet').isVisible()).toBe(false);
    await button('Try again').click();
    await uploaded('notes.txt');
    expect(await page.getByRole('alert').count()).toBe(0);
  });

  test('replaces a file, and shows the new content', async () => {
    await open();
    await choose({ name: 'old.png', mimeType: 'image/png', buffer: pngOf(30, 20, RED) });
    await uploaded('old.png');
    const address = await page.getByRole('link', { name: 'old.png', exact: true }).getAttribute('href');
    const chooser = page.waitForEvent('filechooser');
    await button('Replace old.png').click();
    const content = { name: 'new.png', mimeType: 'image/png', buffer: pngOf(44, 20, RED) };
    await (await chooser).setFiles(content);
    await uploaded('new.png');
    expect(await fileRows().count()).toBe(1);
    expect(await page.getByRole('link', { name: 'new.png', exact: true }).getAttribute('href')).toBe(address);
    await until(
      async () => (await naturalWidth(fileRow('new.png').locator('img'))) === 44,
      'the new thumbnail',
    );
    expect(complaints).toEqual([]);
  });

  test('says that a file to replace is gone', async () => {
    await open();
    await choose({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await uploaded('notes.txt');
    const listed = await (await fetch(`${server.url}/files`)).json();
    for (const { path } of (listed as { files: { path: string }[] }).files)
      await fetch(`${server.url}/files/${path}`, { method: 'DELETE' });
    await page.setInputFiles('#replacement', []);
    const chooser = page.waitForEvent('filechooser');
    await button('Replace notes.txt').click();
    await (await chooser).setFiles({ name: 'new.txt', mimeType: 'text/plain', buffer: Buffer.from('new') });
    await uploadRow('new.txt').getByText('The file to replace does not exist any more.').waitFor();
  });

  test('deletes a file after asking', async () => {
    await open();
    await choose(
      { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('a') },
      { name: 'b.txt', mimeType: 'text/plain', buffer: Buffer.from('b') },
    );
    await uploaded('a.txt', 'b.txt');
    await button('Delete a.txt').click();
    const dialog = page.getByRole('dialog', { name: 'Delete this file?' });
    expect(await dialog.textContent()).toContain('a.txt will be gone for good.');
    await dialog.getByRole('button', { name: 'Keep it' }).click();
    expect(await fileRows().count()).toBe(2);
    await button('Delete a.txt').click();
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await fileRow('a.txt').waitFor({ state: 'detached' });
    await page.reload();
    await uploaded('b.txt');
    expect(await fileRows().count()).toBe(1);
  });

  test('downloads what was uploaded, under its name', async () => {
    await open();
    const content = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
    await choose({ name: 'Übersicht "1".bin', mimeType: 'application/octet-stream', buffer: content });
    await uploaded('Übersicht "1".bin');
    const downloading = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Download Übersicht "1".bin' }).click();
    const download = await downloading;
    expect(download.suggestedFilename()).toMatch(/^Übersicht ["_]1["_]\.bin$/);
    expect(content.equals(await readFile(await download.path()))).toBe(true);
  });

  test('opens a picture, and never runs what was uploaded', async () => {
    await open();
    const hits: string[] = [];
    await context.exposeBinding('owned', ({ frame }) => hits.push(frame.url()));
    const script = '<script>owned()</script>';
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" onload="owned()">${script}</svg>`;
    await choose(
      { name: 'page.html', mimeType: 'text/html', buffer: Buffer.from(`<!doctype html>${script}`) },
      { name: 'page.xhtml', mimeType: 'application/xhtml+xml', buffer: Buffer.from(svg) },
      { name: 'drawing.svg', mimeType: 'image/svg+xml', buffer: Buffer.from(svg) },
      {
        name: 'fake.png',
        mimeType: 'application/octet-stream',
        buffer: Buffer.from(`<!doctype html>${script}`),
      },
      { name: 'picture.png', mimeType: 'image/png', buffer: pngOf(30, 20, RED) },
    );
    const names = ['page.html', 'page.xhtml', 'drawing.svg', 'fake.png', 'picture.png'];
    await uploaded(...names);
    for (const name of names) await visit(name);
    expect(hits).toEqual([]);
    await evaluate('owned()');
    expect(hits).toHaveLength(1);
  });

  /** Goes to the file itself, and shows it in a frame of a page that forbids nothing: where it is a download, both fail. */
  async function visit(name: string): Promise<void> {
    const address = new URL((await fileRow(name).locator('a.name').getAttribute('href')) ?? '', server.url)
      .href;
    const visitor = await context.newPage();
    await visitor.goto(address).catch(() => {});
    if (name === 'picture.png') expect(visitor.url()).toBe(address);
    const body = `<iframe src="${address}"></iframe>`;
    await visitor.route('**/frame', (route) => route.fulfill({ contentType: 'text/html', body }));
    const framed = visitor.waitForResponse(address);
    await visitor.goto(`${server.url}/frame`);
    await framed;
    await visitor.waitForLoadState('networkidle');
    await visitor.close();
  }

  test('shows names with markup and direction marks as harmless text', async () => {
    await open();
    const hits: string[] = [];
    await context.exposeBinding('owned', () => hits.push('owned'));
    const name = 'x <img src=x onerror=owned()> \u202egnp.exe';
    await choose({ name, mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await until(
      async () => (await fileRows().count()) === 1 && (await uploadRows().count()) === 0,
      'the upload',
    );
    const shown = await fileRows().locator('a.name').textContent();
    expect(shown).toContain('<img src=x onerror=owned()>');
    expect(shown).not.toContain('\u202e');
    await page.getByRole('button', { name: /^Delete/ }).click();
    expect(await page.locator('#confirm-text').textContent()).toContain('<img src=x onerror=owned()>');
    expect(await page.locator('img[src="x"]').count()).toBe(0);
    expect(hits).toEqual([]);
  });

  test('can be used with the keyboard alone, and never loses the focus', async () => {
    await open();
    await page.keyboard.press('Tab');
    expect(await focusedName()).toBe('chooser');
    const choosing = page.waitForEvent('filechooser');
    await page.keyboard.press('Enter');
    await (await choosing).setFiles([
      { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('a') },
      { name: 'b.txt', mimeType: 'text/plain', buffer: Buffer.from('b') },
    ]);
    await uploaded('a.txt', 'b.txt');
    const [first, second] = await fileRows().locator('a.name').allTextContents();
    const stops = [first, `Download ${first}`, `Replace ${first}`, `Delete ${first}`];
    for (const stop of stops) {
      await page.keyboard.press('Tab');
      expect(await focusedName()).toBe(stop);
    }
    await page.keyboard.press('Enter');
    expect(await focusedName()).toBe('Keep it');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    expect(await focusedName()).toBe(`Delete ${first}`);
    for (const key of ['Enter', 'Tab', 'Enter']) await page.keyboard.press(key);
    await until(async () => (await fileRows().count()) === 1, 'the first file to be deleted');
    expect(await focusedName()).toBe(second);
    for (const key of ['Tab', 'Tab', 'Tab', 'Enter', 'Tab', 'Enter']) await page.keyboard.press(key);
    await page.getByText('Nothing here yet').waitFor();
    expect(await focusedName()).toBe('chooser');
  });

  test('never loses the focus when what had it goes', async () => {
    const proxy = await openThroughProxy();
    proxy.hold();
    await choose(...smallFiles(4));
    await button('Cancel all').press('Enter');
    expect(await focusedName()).toBe('chooser');
    await choose(...smallFiles(2));
    await button('Cancel all').focus();
    proxy.release();
    await until(async () => (await fileRows().count()) === 2, 'the uploads to end');
    expect(await focusedName()).toBe('chooser');
    await context.setOffline(true);
    await choose(...smallFiles(2));
    await button('Try again to upload 0.txt').press('Enter');
    expect(await focusedName()).toMatch(/^(Cancel the upload of|Dismiss) 0.txt$/);
    await button('Try again to upload 0.txt').waitFor();
    await button('Dismiss all').press('Enter');
    expect(await focusedName()).toBe('chooser');
    await proxy.close();
  });

  test('tells those who listen what each part is', async () => {
    await open();
    await choose({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await uploaded('notes.txt');
    const seen = await page.locator('body').ariaSnapshot();
    for (const line of [
      '- banner:',
      '- heading "filedepot" [level=1]',
      '- main:',
      '- region "Add files":',
      '- button "Choose files or drop or paste them here Any type, up to 100 MB each"',
      '- region "Files":',
      '- heading "Files" [level=2]',
      '- list:',
      '- listitem:',
      '- link "notes.txt":',
      '- link "Download notes.txt":',
      '- button "Replace notes.txt"',
      '- button "Delete notes.txt"',
      '- log:',
    ]) {
      expect(seen).toContain(line);
    }
    expect(await page.getByRole('log').textContent()).toBe('notes.txt is uploaded');
  });

  test('fits on a phone: nothing sticks out, and fingers hit what they aim at', async () => {
    await open({ MAX_FILE_SIZE: '1mb' }, PHONE);
    const long = `${'an-unbroken-name-'.repeat(14)}.txt`;
    await choose(
      { name: long, mimeType: 'text/plain', buffer: Buffer.from('hello') },
      { name: 'picture.png', mimeType: 'image/png', buffer: pngOf(30, 20, RED) },
    );
    await uploaded(long, 'picture.png');
    await context.setOffline(true);
    await choose(
      { name: `lost-${long}`, mimeType: 'text/plain', buffer: Buffer.from('hello') },
      { name: 'huge.png', mimeType: 'image/png', buffer: Buffer.alloc(2 * MEGABYTE) },
    );
    await uploadRows().getByText('The connection was lost.').waitFor();
    expect(await width()).toBe(360);
    expect(await smallTargets()).toEqual([]);
    await button(`Delete ${long}`).click();
    const box = await page.getByRole('dialog').boundingBox();
    expect(box?.x).toBeGreaterThanOrEqual(0);
    expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(360);
    expect(await width()).toBe(360);
    await page.setViewportSize({ width: 320, height: 640 });
    expect(await width()).toBe(320);
    expect(await cutLabels()).toEqual([]);
  });

  test('can be read and used on a phone with text of 200 %', async () => {
    await open({}, PHONE);
    await choose({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await uploaded('notes.txt');
    await context.setOffline(true);
    await choose(...smallFiles(2));
    await button('Try again to upload 1.txt').waitFor();
    await evaluate("document.documentElement.style.fontSize = '200%'");
    expect(await width()).toBe(360);
    expect(await cutLabels()).toEqual([]);
    expect(await smallTargets()).toEqual([]);
    const sizes = await evaluate<number[]>(
      `[...document.querySelectorAll('.action svg')].map((icon) => icon.getBoundingClientRect().width)`,
    );
    expect(new Set(sizes)).toEqual(new Set([20]));
    for (const action of ['Download', 'Replace', 'Delete'])
      await page.getByLabel(`${action} notes.txt`).click({ trial: true });
    await button('Delete notes.txt').click();
    for (const name of ['Keep it', 'Delete']) {
      const dialog = await page.getByRole('dialog').boundingBox();
      const box = await button(name).boundingBox();
      expect(box?.x).toBeGreaterThan(dialog?.x ?? 360);
    }
  });

  const cutLabels = () =>
    evaluate<string[]>(`[...document.querySelectorAll('.action span')]
      .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)
      .map((label) => label.textContent)`);

  const smallTargets = () =>
    evaluate<string[]>(`[...document.querySelectorAll('.action, .button')]
      .filter((target) => target.checkVisibility())
      .filter((target) => { const { width, height } = target.getBoundingClientRect(); return width < 44 || height < 44 })
      .map((target) => target.outerHTML)`);

  test('shows more files when asked, and goes on there', async () => {
    await open();
    const put = (index: number) => fetch(`${server.url}/files/${index}.txt`, { method: 'PUT', body: 'x' });
    for (let index = 0; index < 53; index++) expect((await put(index)).status).toBe(201);
    await page.reload();
    await until(async () => (await fileRows().count()) === 50, 'the first page');
    expect(await page.locator('#summary').textContent()).toBe('50 files shown · 50 bytes');
    const shown = await fileRows().locator('a.name').allTextContents();
    await button('Show more files').click();
    await until(async () => (await fileRows().count()) === 53, 'the rest');
    const names = await fileRows().locator('a.name').allTextContents();
    expect(await focusedName()).toBe(names.find((name) => !shown.includes(name)));
    const dates = await evaluate<string[]>(
      "[...document.querySelectorAll('.file time')].map((time) => time.dateTime)",
    );
    const files = names.map((name, index) => ({ name, date: dates[index] ?? '' }));
    const byDate = files.toSorted((a, b) => b.date.localeCompare(a.date) || a.name.localeCompare(b.name));
    expect(files).toEqual(byDate);
    expect(await button('Show more files').isVisible()).toBe(false);
  });

  test('keeps the focus when there turn out to be no more files', async () => {
    await open();
    const put = (index: number) => fetch(`${server.url}/files/${index}.txt`, { method: 'PUT', body: 'x' });
    for (let index = 0; index < 51; index++) await put(index);
    await page.reload();
    await until(async () => (await fileRows().count()) === 50, 'the first page');
    const { files } = (await (await fetch(`${server.url}/files?limit=200`)).json()) as {
      files: { path: string }[];
    };
    await fetch(`${server.url}/files/${files.at(-1)?.path}`, { method: 'DELETE' });
    await button('Show more files').press('Enter');
    await button('Show more files').waitFor({ state: 'hidden' });
    await until(async () => (await focusedName()) === 'chooser', 'the focus to be on the chooser');
  });

  test('calls sizes, dates and types as people do', async () => {
    await open();
    const words =
      await evaluate(`import('/format.js').then(({ formatSize, formatDate, describeType, describeAccepted }) => {
      const now = new Date('2025-06-15T12:00:00Z');
      return {
        sizes: [0, 1, 1023, 1024, 1536, 10 * 1024 ** 2, 123_456_789, 1024 ** 5].map(formatSize),
        dates: ['2025-06-15T12:00:05', '2025-06-15T11:59:01', '2025-06-15T11:58:00', '2025-06-15T09:00:00',
          '2025-06-14T11:00:00', '2025-06-10T11:00:00', '2025-01-02T11:00:00', '2024-01-02T11:00:00',
        ].map((date) => formatDate(new Date(date + 'Z'), now)),
        types: ['image/png', 'IMAGE/SVG+XML', 'text/plain; charset=utf-8', 'text/html', 'audio/x-wav', 'video/mp4',
          'application/pdf', 'application/x-unheard-of', 'constructor', ''].map(describeType),
        accepted: [['image/*', '.pdf', 'text/csv'], ['*/*']].map(describeAccepted),
      };
    })`);
    expect(words).toEqual({
      sizes: ['0 bytes', '1 byte', '1023 bytes', '1 KB', '1.5 KB', '10 MB', '118 MB', '1024 TB'],
      dates: [
        'just now',
        'just now',
        '2 minutes ago',
        '3 hours ago',
        'yesterday',
        '5 days ago',
        'Jan 2, 2025',
        'Jan 2, 2024',
      ],
      types: [
        'PNG image',
        'SVG image',
        'Text',
        'HTML',
        'WAV audio',
        'MP4 video',
        'PDF',
        'application/x-unheard-of',
        'constructor',
        '',
      ],
      accepted: ['images, PDF, CSV', 'any type'],
    });
  });

  test('stays still for people who asked for less motion', async () => {
    await open({}, { reducedMotion: 'reduce' });
    await choose({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await uploaded('notes.txt');
    expect(await evaluate('document.getAnimations().length')).toBe(0);
  });

  test.each(['light', 'dark'] as const)('can be read in the %s', async (colorScheme) => {
    await open({}, { colorScheme });
    await choose({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
    await uploaded('notes.txt');
    expect(await evaluate(FAINT_TEXTS)).toEqual([]);
    await evaluate("document.documentElement.style.setProperty('--muted', '#808080')");
    expect(await evaluate(FAINT_TEXTS)).not.toEqual([]);
  });
});

function naturalWidth(image: Locator): Promise<number> {
  return image.evaluate((element: { readonly naturalWidth: number }) => element.naturalWidth);
}

/** Texts below the contrast of 4.5 to 1 with what is behind them (WCAG 2.2, 1.4.3). */
const FAINT_TEXTS = `(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const isPainted = (element) => !/^rgba\\(.*, 0\\)$/.test(getComputedStyle(element).backgroundColor);
  const behind = (element) => (isPainted(element) ? element : behind(element.parentElement));
  const contrast = (element) => {
    const pair = [getComputedStyle(element).color, getComputedStyle(behind(element)).backgroundColor];
    const [dark, light] = pair.map((colour) => luminance(channels(colour))).sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  document.getAnimations().forEach((animation) => animation.finish());
  const texts = [...document.querySelectorAll('h1, h2, p, span, a, time, button')];
  return texts
    .filter((element) => element.checkVisibility() && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .filter((element) => contrast(element) < 4.5)
    .map((element) => element.outerHTML);
})()`;
