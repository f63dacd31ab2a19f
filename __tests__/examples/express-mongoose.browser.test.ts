import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { findChromium, launchChromium } from '../support/chromium.js';
import { ExampleProject } from '../support/example-server.js';
import { removeFolder } from '../support/folders.js';
import { pngOf } from '../support/png.js';
import { describeWith, startMongoServer } from '../support/servers/index.js';
import { until } from '../support/until.js';

const chromium = findChromium();
if (!chromium)
  console.warn(
    'SKIPPED: examples/express-mongoose in Chromium, since there is none; CHROMIUM_PATH names one',
  );
const testInChromium = chromium ? test : test.skip;

const png = (name: string, width: number) => ({
  name,
  mimeType: 'image/png',
  buffer: pngOf(width, (width / 4) * 3, [200, 30, 30]),
});

// What the page can do is tried in express-typeorm.browser.test.ts: it is the same.
await describeWith('examples/express-mongoose, in Chromium', [startMongoServer], (mongo) => {
  testInChromium(
    'a product with a photo is added, edited and deleted, and its files follow',
    async () => {
      const project = await ExampleProject.build();
      const folder = await mkdtemp(join(tmpdir(), 'filedepot-mongoose-'));
      const url = new URL(mongo.url);
      url.pathname = `/catalogue-${randomUUID()}`;
      const settings = { MONGO_URL: url.href, DEPOT_URL: `file:${folder}/depot` };
      const server = await project.run(settings, 'express-mongoose');
      const browser = await launchChromium(chromium ?? '');
      const page = await browser.newPage();
      page.setDefaultTimeout(10_000);
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));

      const button = (name: string) => page.getByRole('button', { name, exact: true });
      const photo = (name: string) => page.getByRole('img', { name: `Photo of ${name}` });
      const heading = (name: string) => page.getByRole('heading', { name, exact: true });
      const shownWidth = (name: string) =>
        photo(name).evaluate<number, { naturalWidth: number }>((image) => image.naturalWidth);
      const filesOnDisk = async () =>
        (await readdir(join(folder, 'depot'))).filter((name) => !name.startsWith('.')).sort();

      await page.goto(server.url);
      await button('Add a product').click();
      await page.getByRole('textbox', { name: 'Name' }).fill('Lamp');
      await page.getByRole('textbox', { name: 'Price in euros' }).fill('12.50');
      await page.setInputFiles('#photo', png('lamp.png', 800));
      await button('Save').click();
      await heading('Lamp').waitFor();
      await until(async () => (await shownWidth('Lamp')) === 400, 'the thumbnail');
      const first = await filesOnDisk();
      expect(first).toHaveLength(2);

      await page.reload();
      await button('Edit Lamp').click();
      await page.getByRole('textbox', { name: 'Name' }).fill('Reading lamp');
      await page.setInputFiles('#photo', png('new.png', 300));
      await button('Save').click();
      await heading('Reading lamp').waitFor();
      await until(async () => (await shownWidth('Reading lamp')) === 300, 'the new thumbnail');
      const second = await filesOnDisk();
      expect(second).toHaveLength(2);
      expect(second.filter((name) => first.includes(name))).toEqual([]);

      await button('Delete Reading lamp').click();
      const dialog = page.getByRole('dialog', { name: 'Delete this product?' });
      await dialog.getByRole('button', { name: 'Delete' }).click();
      await heading('Reading lamp').waitFor({ state: 'detached' });
      expect(await filesOnDisk()).toEqual([]);
      expect(complaints).toEqual([]);

      await browser.close();
      expect(await server.stop()).toBe(0);
      await project.remove();
      await removeFolder(folder);
    },
    90_000,
  );
});
