import { once } from 'node:events';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as sdk from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import type { DepotManager } from '../../lib/depot/manager.js';
import { findChromium, launchChromium } from '../support/chromium.js';
import { runBlockWith } from '../support/code-module.js';
import { ROOT } from '../support/consumer-project.js';
import { removeFolder } from '../support/folders.js';
import { pngOf } from '../support/png.js';
import { TestBucket } from '../support/s3.js';
import { describeWith, startS3Server } from '../support/servers/index.js';
import { until } from '../support/until.js';

/** What the code leaves behind. */
interface Program {
  readonly depot: DepotManager;
  readonly server: Server;
}

const PNG = pngOf(300, 200, [0, 128, 0]);

const chromium = findChromium();
if (!chromium)
  console.warn('SKIPPED: the page of docs/s3.md, since there is no Chromium; CHROMIUM_PATH names one');
const describeInChromium = chromium ? describe : describe.skip;

await describeWith('the code of docs/s3.md', [startS3Server], (s3) => {
  const bucket = new TestBucket(s3);
  let folder: string;
  let program: Program;
  let origin: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'filedepot-s3-'));
    const { endpoint, credentials } = s3;
    const connection = JSON.stringify({ endpoint, credentials, createBucket: true }).slice(1, -1);
    program = await runBlockWith<Program>('docs/s3.md', 'photos.directUpload', {
      'acme-photos': bucket.name,
      "region: 'eu-west-1'": `region: ${JSON.stringify(s3.region)}, ${connection}`,
      "express.static('public')": `express.static(${JSON.stringify(folder)})`,
      'const depot': 'export const depot',
      'app.listen(process.env.PORT ?? 3000)': "export const server = app.listen(0, '127.0.0.1')",
    });
    const { server, depot } = program;
    if (!server.listening) await once(server, 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await depot.check();
    const text = await readFile(join(ROOT, 'docs/s3.md'), 'utf8');
    await writeFile(join(folder, 'index.html'), /^```html\n(.*?)^```$/ms.exec(text)?.[1] ?? '');
    const CORSRules = [{ AllowedMethods: ['POST'], AllowedOrigins: [origin] }];
    const rules = { Bucket: bucket.name, CORSConfiguration: { CORSRules } };
    await bucket.client.send(new sdk.PutBucketCorsCommand(rules));
  });
  afterAll(async () => {
    program?.server.close();
    await program?.depot.close();
    bucket.client.destroy();
    await removeFolder(folder);
  });

  test('what was not uploaded cannot be adopted', async () => {
    const answer = await fetch(`${origin}/photos`, { method: 'POST' });
    const form = (await answer.json()) as { readonly id: string };
    for (const [id, code] of [
      [form.id, 'FILE_NOT_FOUND'],
      ['..%2f..%2fx', 'INVALID_FILE_ID'],
    ]) {
      const headers = { 'Content-Type': 'application/json' };
      const answer = await fetch(`${origin}/photos/${id}`, { method: 'PUT', headers, body: '{}' });
      expect([answer.status, await answer.json()]).toEqual([404, expect.objectContaining({ code })]);
    }
  });

  describeInChromium('in a browser', () => {
    let browser: Browser;
    let page: Page;
    beforeAll(async () => {
      browser = await launchChromium(chromium ?? '');
      page = await browser.newPage();
      await page.goto(origin);
    });
    afterAll(() => browser?.close());

    /** Chooses a file, and gives what the page says then. */
    async function choose(name: string, mimeType: string, buffer: Buffer): Promise<string> {
      const output = page.locator('output');
      await output.evaluate((element) => {
        element.textContent = '';
      });
      await page.locator('input').setInputFiles({ name, mimeType, buffer });
      await until(async () => (await output.textContent()) !== '', 'what the page says');
      return (await output.textContent()) ?? '';
    }

    test('a picture goes to S3 past the application, and is served', async () => {
      const path = await choose('žlutá.png', 'image/png', PNG);
      const file = await program.depot.getFile(path);
      expect(file).toMatchObject({ filename: 'žlutá.png', contentType: 'image/png', size: PNG.byteLength });
      const answer = await fetch(`${origin}/depot/${path}`);
      expect(Buffer.from(await answer.arrayBuffer()).equals(PNG)).toBe(true);
      expect(await bucket.keys('photos/.staging/')).toEqual([]);
    });

    test('what is no picture is refused, by S3 or by its content', async () => {
      const html = Buffer.from('<script>alert(1)</script>');
      expect(await choose('a.html', 'text/html', html)).toBe('S3 refuses the file: 403');
      expect(await choose('a.png', 'image/png', html)).toBe(
        'The content is declared as image/png, but is something else',
      );
      expect(await bucket.keys('photos/.staging/')).toEqual([]);
    });
  });
});
