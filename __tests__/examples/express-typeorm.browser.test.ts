import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { findChromium, launchChromium } from '../support/chromium.js';
import { type ExampleProcess, ExampleProject } from '../support/example-server.js';
import { removeFolder } from '../support/folders.js';
import { pngOf } from '../support/png.js';
import { until } from '../support/until.js';

const RED: [number, number, number] = [200, 30, 30];
const BLUE: [number, number, number] = [30, 60, 200];
const DESK = { viewport: { width: 1100, height: 760 } };
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const MEGABYTE = 1024 * 1024;
const FIELDS = 'document.querySelector("#editor .fields")';

const chromium = findChromium();
if (!chromium)
  console.warn(
    'SKIPPED: the page of examples/catalogue, since there is no Chromium; CHROMIUM_PATH names one',
  );
const describeInChromium = chromium ? describe : describe.skip;

interface ChosenFile {
  readonly name: string;
  readonly mimeType: string;
  readonly buffer: Buffer;
}

interface NewProduct {
  readonly name: string;
  readonly price?: string;
  readonly description?: string;
  readonly photo?: ChosenFile;
  readonly sheet?: ChosenFile;
}

const png = (name: string, width: number, height: number, colour = RED): ChosenFile => ({
  name,
  mimeType: 'image/png',
  buffer: pngOf(width, height, colour),
});
const text = (name: string): ChosenFile => ({ name, mimeType: 'text/plain', buffer: Buffer.from('hello') });

describeInChromium('The page of the catalogue, with TypeORM, in Chromium', () => {
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
    folder = await mkdtemp(join(tmpdir(), 'filedepot-catalogue-'));
  });

  afterEach(async () => {
    await context?.close();
    await server?.stop();
    await removeFolder(folder);
  });

  async function open(
    settings: Record<string, string> = {},
    options: BrowserContextOptions = DESK,
  ): Promise<void> {
    const places = { DEPOT_URL: `file:${folder}/depot`, DATABASE: join(folder, 'catalogue.sqlite') };
    server = await project.run({ ...places, ...settings }, 'express-typeorm');
    if (server.url === '') throw new Error(server.errors);
    context = await browser.newContext({ locale: 'en-GB', ...options });
    page = await context.newPage();
    page.setDefaultTimeout(10_000);
    complaints = [];
    page.on('filechooser', () => {}); // from here on, a chooser that opens is caught
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await page.goto(server.url);
    await page.getByText('No products yet').waitFor();
  }

  const cards = () => page.locator('.card');
  const card = (name: string) => cards().filter({ has: page.getByRole('heading', { name, exact: true }) });
  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const editor = () => page.locator('#editor');
  const refusal = () => editor().getByRole('alert');
  const photoOf = (name: string) => card(name).getByRole('img', { name: `Photo of ${name}` });
  const naturalWidth = (name: string) =>
    photoOf(name).evaluate<number, { naturalWidth: number }>((image) => image.naturalWidth);
  const evaluate = <Result>(expression: string) => page.evaluate<Result>(expression);

  async function fill({ name, price = '12.50', description = '', photo, sheet }: NewProduct): Promise<void> {
    await button('Add a product').click();
    await page.getByRole('textbox', { name: 'Name' }).fill(name);
    await page.getByRole('textbox', { name: 'Price in euros' }).fill(price);
    await page.getByRole('textbox', { name: 'Description' }).fill(description);
    if (photo) await page.setInputFiles('#photo', photo);
    if (sheet) await page.setInputFiles('#sheet', sheet);
  }

  async function save(name: string): Promise<void> {
    await button('Save').click();
    await editor().waitFor({ state: 'hidden' });
    await card(name).waitFor();
  }

  async function add(product: NewProduct): Promise<void> {
    await fill(product);
    await save(product.name);
  }

  /** How many files there are, thumbnails too. */
  async function filesOnDisk(): Promise<number> {
    const read = () => readdir(join(folder, 'depot'), { recursive: true, withFileTypes: true });
    const entries = await read().catch(read);
    return entries.filter((entry) => entry.isFile() && entry.name === 'file').length;
  }

  const untilFiles = (count: number) =>
    until(async () => (await filesOnDisk()) === count, `${count} files to be on the disk`);

  test('adds products with a photo, shrunk, and a data sheet; also after a reload the newest is first', async () => {
    await open();
    await add({
      name: 'Lamp',
      description: 'Linen\nand walnut',
      photo: png('lamp.png', 2600, 1950),
      sheet: text('lamp.txt'),
    });
    await add({ name: 'Übergroße 表', price: '7' });
    await page.reload();
    await card('Lamp').waitFor();
    expect(await page.getByRole('heading', { level: 2 }).allTextContents()).toEqual(['Übergroße 表', 'Lamp']);
    expect(await card('Lamp').locator('.price').textContent()).toBe('€12.50');
    expect(await card('Lamp').locator('.description').textContent()).toBe('Linen\nand walnut');
    expect(await card('Übergroße 表').getByRole('img').count()).toBe(0);
    await until(async () => (await naturalWidth('Lamp')) === 400, 'the thumbnail');
    expect(await photoOf('Lamp').getAttribute('height')).toBe('300');
    expect(await filesOnDisk()).toBe(3);
    expect(complaints).toEqual([]);
    await page.goto(server.url + (await photoOf('Lamp').locator('..').getAttribute('href')));
    expect(await evaluate('document.images[0].naturalWidth')).toBe(2000);
  });

  test('replaces the photo and the texts; the old files go', async () => {
    await open();
    await add({ name: 'Lamp', photo: png('lamp.png', 800, 600), sheet: text('lamp.txt') });
    await button('Edit Lamp').click();
    expect(await page.getByRole('textbox', { name: 'Price in euros' }).inputValue()).toBe('12.50');
    await page.getByRole('textbox', { name: 'Name' }).fill('Reading lamp');
    await page.setInputFiles('#photo', png('new.png', 300, 200, BLUE));
    await editor().getByText('new.png').waitFor();
    await save('Reading lamp');
    expect(await cards().count()).toBe(1);
    await until(async () => (await naturalWidth('Reading lamp')) === 300, 'the new thumbnail');
    await untilFiles(3);
    expect(complaints).toEqual([]);
  });

  test('removes a photo or a data sheet when it is saved, and nothing when that is cancelled', async () => {
    await open();
    await add({ name: 'Lamp', photo: png('lamp.png', 800, 600), sheet: text('lamp.txt') });
    await button('Edit Lamp').click();
    await page.getByRole('textbox', { name: 'Name' }).fill('Other');
    await button('Remove the photo').click();
    await button('Cancel').click();
    await photoOf('Lamp').waitFor();
    await button('Edit Lamp').click();
    expect(await page.getByRole('textbox', { name: 'Name' }).inputValue()).toBe('Lamp');
    await button('Remove the photo').click();
    await editor().getByText('The photo will be removed when you save.').waitFor();
    await button('Keep the photo').click();
    await button('Remove the data sheet').click();
    await save('Lamp');
    await card('Lamp')
      .getByRole('link', { name: /^Data sheet/ })
      .waitFor({ state: 'hidden' });
    await untilFiles(2);
    await button('Edit Lamp').click();
    await button('Remove the photo').click();
    await save('Lamp');
    await photoOf('Lamp').waitFor({ state: 'detached' });
    await untilFiles(0);
    expect(complaints).toEqual([]);
  });

  test('deletes a product after asking, and its files', async () => {
    await open();
    await add({ name: 'Chair', photo: png('chair.png', 30, 20) });
    await add({ name: 'Lamp', photo: png('lamp.png', 800, 600), sheet: text('lamp.txt') });
    await button('Delete Lamp').click();
    const dialog = page.getByRole('dialog', { name: 'Delete this product?' });
    expect(await dialog.textContent()).toContain('Lamp and its files will be gone for good.');
    await dialog.getByRole('button', { name: 'Keep it' }).click();
    expect(await cards().count()).toBe(2);
    await button('Delete Lamp').click();
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await card('Lamp').waitFor({ state: 'detached' });
    await untilFiles(2);
    await page.reload();
    await card('Chair').waitFor();
    expect(await cards().count()).toBe(1);
    expect(complaints).toEqual([]);
  });

  test('says before it sends a file that it is no photo or too large', async () => {
    await open({ MAX_FILE_SIZE: '10kb' });
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.method()));
    await fill({ name: 'Lamp', photo: text('notes.txt') });
    await refusal()
      .getByText('This is no photo that can be shown. Choose a JPEG, PNG, WebP, AVIF or GIF.')
      .waitFor();
    await button('Save').click();
    expect(await evaluate('document.activeElement.id')).toBe('photo');
    expect(await page.locator('#photo').getAttribute('aria-invalid')).toBe('true');
    await button('Add no photo').click();
    expect(await refusal().count()).toBe(0);
    await page.setInputFiles('#sheet', { ...text('large.txt'), buffer: Buffer.alloc(20 * 1024) });
    await refusal().getByText('Too large: it has 20 KB, and the limit is 10 KB.').waitFor();
    await button('Save').click();
    expect(await evaluate('document.activeElement.id')).toBe('sheet');
    expect(requests).toEqual([]);
  });

  test('says what the server refuses for its content; nothing is stored', async () => {
    await open();
    await fill({
      name: 'Lamp',
      photo: { ...text('fake.png'), mimeType: 'image/png' },
      sheet: text('lamp.txt'),
    });
    await button('Save').click();
    await refusal().getByText('This is no photo that can be shown.').waitFor();
    await page.setInputFiles('#photo', {
      ...png('cut.png', 400, 300),
      buffer: pngOf(400, 300, RED).subarray(0, 300),
    });
    await button('Save').click();
    await refusal().getByText('This photo is damaged').waitFor();
    expect(await cards().count()).toBe(0);
    await untilFiles(0);
    await page.setInputFiles('#photo', png('good.png', 400, 300));
    await save('Lamp');
    await untilFiles(3);
  });

  test('says that the connection was lost, and keeps the form for another try', async () => {
    await open();
    await fill({ name: 'Lamp', photo: png('lamp.png', 40, 30) });
    await context.setOffline(true);
    await button('Save').click();
    await refusal().getByText('The connection was lost. Try again.').waitFor();
    expect(await evaluate('document.activeElement.id')).toBe('save');
    await context.setOffline(false);
    await save('Lamp');
    expect(await filesOnDisk()).toBe(2);
  });

  test('says that somebody else has deleted the product', async () => {
    await open();
    await add({ name: 'Lamp' });
    await button('Edit Lamp').click();
    await fetch(`${server.url}/products/1`, { method: 'DELETE' });
    await page.setInputFiles('#photo', png('lamp.png', 40, 30));
    await button('Save').click();
    await refusal().getByText('There is no such product any more.').waitFor();
    expect(await filesOnDisk()).toBe(0);
  });

  test('stores nothing of what is cancelled while it is sent', async () => {
    await open();
    await fill({ name: 'Lamp' });
    const path = join(folder, 'large.bin');
    await writeFile(path, Buffer.alloc(15 * MEGABYTE, 'x'));
    await page.setInputFiles('#sheet', path);
    const session = await context.newCDPSession(page);
    await session.send('Network.enable');
    const slow = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: MEGABYTE };
    await session.send('Network.emulateNetworkConditions', slow);
    await button('Save').click();
    const progress = page.getByRole('progressbar', { name: 'Saving' });
    await until(async () => Number(await progress.getAttribute('value')) > 0, 'progress');
    await button('Cancel').click();
    await page.getByText('No products yet').waitFor();
    expect(await filesOnDisk()).toBe(0);
  });

  test('says that products cannot be listed, and lists them when asked again', async () => {
    await open();
    await add({ name: 'Lamp' });
    await page.route('**/products', (route) => route.abort(), { times: 1 });
    await page.reload();
    await page
      .getByRole('alert')
      .getByText('The products cannot be listed: The connection was lost.')
      .waitFor();
    expect(await page.getByText('No products yet').isVisible()).toBe(false);
    await button('Try again').click();
    await card('Lamp').waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
  });

  test('lists further products when they are wanted', async () => {
    await open();
    for (let index = 1; index <= 25; index++) {
      const body = new FormData();
      for (const [name, value] of Object.entries({ name: `No. ${index}`, price: '1' })) body.set(name, value);
      await fetch(`${server.url}/products`, { method: 'POST', body });
    }
    await page.reload();
    await card('No. 2').waitFor();
    expect(await cards().count()).toBe(24);
    await button('Show more products').click();
    await card('No. 1').waitFor();
    expect(await button('Show more products').isVisible()).toBe(false);
  });

  test('takes a photo that is dropped on the form, and other files as the data sheet', async () => {
    await open();
    await fill({ name: 'Lamp' });
    await evaluate(`(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['content'], 'sheet.txt', { type: 'text/plain' }));
      const bytes = Uint8Array.from(atob('${pngOf(40, 30, RED).toString('base64')}'), (one) => one.charCodeAt(0));
      dataTransfer.items.add(new File([bytes], 'dropped.png', { type: 'image/png' }));
      document.querySelector('#editor h2').dispatchEvent(
        new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }),
      );
    })()`);
    await save('Lamp');
    await until(async () => (await naturalWidth('Lamp')) === 40, 'the thumbnail');
    const downloading = page.waitForEvent('download');
    await card('Lamp').getByRole('link', { name: 'Data sheet (7 bytes) of Lamp: sheet.txt' }).click();
    expect((await downloading).suggestedFilename()).toBe('sheet.txt');
    expect(complaints).toEqual([]);
  });

  test('shows names with markup as harmless text', async () => {
    await open();
    const hits: string[] = [];
    await context.exposeBinding('owned', () => hits.push('owned'));
    const name = 'x <img src=x onerror=owned()>';
    await add({ name, description: name, photo: { ...png(`${name}.png`, 40, 30) } });
    await button(`Delete ${name}`).click();
    expect(await page.locator('#confirm-text').textContent()).toContain(name);
    expect(await page.locator('img[src="x"]').count()).toBe(0);
    expect(hits).toEqual([]);
  });

  test('can be used with the keyboard alone, and never loses the focus', async () => {
    await open();
    const press = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    const focusedName = () =>
      evaluate<string>(
        'document.activeElement.ariaLabel ?? (document.activeElement.id || document.activeElement.textContent.trim())',
      );
    await press('Tab', 'Enter');
    expect(await focusedName()).toBe('name');
    await page.keyboard.type('Lamp');
    await press('Tab');
    await page.keyboard.type('12,5');
    await press('Tab', 'Tab');
    expect(await focusedName()).toBe('photo');
    const choosing = page.waitForEvent('filechooser');
    await press('Enter');
    await (await choosing).setFiles(png('lamp.png', 40, 30));
    await press('Tab');
    expect(await focusedName()).toBe('Add no photo');
    await press('Tab', 'Tab', 'Tab');
    expect(await focusedName()).toBe('save');
    await press('Enter');
    await card('Lamp').waitFor();
    await editor().waitFor({ state: 'hidden' });
    expect(await focusedName()).toBe('add');
    await press('Tab', 'Tab');
    expect(await focusedName()).toBe('Edit Lamp');
    await press('Enter', 'Enter');
    await editor().waitFor({ state: 'hidden' });
    expect(await focusedName()).toBe('Edit Lamp');
    await press('Tab', 'Enter');
    expect(await focusedName()).toBe('Keep it');
    await press('Escape');
    expect(await focusedName()).toBe('Delete Lamp');
    await press('Enter', 'Tab', 'Enter');
    await page.getByText('No products yet').waitFor();
    expect(await focusedName()).toBe('add');
    await untilFiles(0);
  });

  test('asks before Escape drops what was changed', async () => {
    await open();
    await add({ name: 'Lamp', photo: png('lamp.png', 40, 30) });
    const question = page.getByRole('dialog', { name: 'Discard what you have changed?' });
    const changes: [what: string, change: () => Promise<void>][] = [
      ['a text', () => page.getByRole('textbox', { name: 'Description' }).fill('Linen')],
      ['a removal', () => button('Remove the photo').click()],
      ['a file', () => page.setInputFiles('#sheet', text('lamp.txt'))],
    ];
    for (const [what, change] of changes) {
      await button('Edit Lamp').click();
      await page.keyboard.press('Escape');
      expect([what, await editor().isVisible()]).toEqual([what, false]);
      await button('Edit Lamp').click();
      await change();
      for (let times = 0; times < 3; times++) {
        await page.keyboard.press('Escape');
        await question.waitFor();
        await page.keyboard.press('Escape');
        await question.waitFor({ state: 'hidden' });
        expect([what, await editor().isVisible()]).toEqual([what, true]);
      }
      await page.keyboard.press('Escape');
      await button('Keep editing').click();
      await page.keyboard.press('Escape');
      await button('Discard').click();
      await editor().waitFor({ state: 'hidden' });
      expect(await evaluate('document.activeElement.ariaLabel')).toBe('Edit Lamp');
    }
    await page.reload();
    await photoOf('Lamp').waitFor();
    expect(await card('Lamp').textContent()).not.toContain('Linen');
  });

  test('ends the question when what was changed is saved meanwhile', async () => {
    await open();
    await fill({ name: 'Lamp' });
    let answer = () => {};
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await page.route('**/products', async (route) => {
      await held;
      await route.continue();
    });
    await button('Save').click();
    await page.keyboard.press('Escape');
    await button('Discard').waitFor();
    answer();
    await card('Lamp').waitFor();
    await button('Discard').waitFor({ state: 'hidden' });
    expect(await editor().isVisible()).toBe(false);
  });

  test('keeps the focus when more products are listed', async () => {
    await open();
    for (let index = 1; index <= 25; index++) {
      const body = new FormData();
      for (const [name, value] of Object.entries({ name: `No. ${index}`, price: '1' })) body.set(name, value);
      await fetch(`${server.url}/products`, { method: 'POST', body });
    }
    await page.route('**/products', (route) => route.abort(), { times: 1 });
    await page.reload();
    await button('Try again').press('Enter');
    await card('No. 25').waitFor();
    expect(await evaluate('document.activeElement.ariaLabel')).toBe('Edit No. 25');
    await page.route('**/products?*', (route) => route.abort(), { times: 1 });
    await button('Show more products').press('Enter');
    await button('Try again').waitFor();
    expect(await evaluate('document.activeElement.textContent')).toBe('Try again');
    await page.keyboard.press('Enter');
    await card('No. 1').waitFor();
    expect(await evaluate('document.activeElement.ariaLabel')).toBe('Edit No. 1');
  });

  test('tells those who listen what each part is, and what has happened', async () => {
    await open();
    await add({ name: 'Lamp', photo: png('lamp.png', 40, 30), sheet: text('lamp.txt') });
    const seen = await page.locator('body').ariaSnapshot();
    for (const line of [
      '- heading "Catalogue" [level=1]',
      '- list "Products":',
      '- link "Photo of Lamp":',
      '- heading "Lamp" [level=2]',
      'link "Data sheet (5 bytes) of Lamp: lamp.txt"',
      '- button "Edit Lamp"',
      '- button "Delete Lamp"',
    ])
      expect(seen).toContain(line);
    expect(await page.getByRole('log').textContent()).toBe('Lamp is added');
    await button('Edit Lamp').click();
    const form = await editor().ariaSnapshot();
    for (const line of [
      '- dialog "Edit Lamp":',
      '- textbox "Name"',
      '- textbox "Price in euros"',
      '- textbox "Description (optional)"',
      '- group "Photo (optional)":',
      '- button "Replace the photo"',
      '- group "Data sheet (optional)":',
    ])
      expect(form).toContain(line);
  });

  test.each([
    ['a phone', PHONE],
    ['a desk', { ...DESK, colorScheme: 'dark' as const }],
  ])('fits on %s: nothing sticks out or moves, and fingers hit what they aim at', async (_what, options) => {
    await open({}, options);
    const { width, height } = options.viewport;
    const long = 'an-unbroken-name-'.repeat(5);
    await add({ name: long, photo: png(`${long}.png`, 800, 600), sheet: text(`${long}.txt`) });
    await add({ name: 'Lamp', photo: png('lamp.png', 30, 60) });
    expect(await stickingOut()).toBe(width);
    expect(await smallTargets()).toEqual([]);
    await button(`Edit ${long}`).click();
    await page.setInputFiles('#photo', text(`${long}${long}.txt`));
    expect(await stickingOut()).toBe(width);
    expect(await smallTargets()).toEqual([]);
    expect(await evaluate(`(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(${FIELDS})`)).toBe(
      0,
    );
    const box = await button('Save').boundingBox();
    expect((box?.y ?? height) + (box?.height ?? 0)).toBeLessThanOrEqual(height);
    await page.reload();
    await until(async () => (await naturalWidth('Lamp')) === 30, 'the thumbnail');
    await until(async () => (await naturalWidth(long)) === 400, 'the other thumbnail');
    expect(await shifts()).toBe(0);
  });

  test('can be read and used on a phone with text of 200 %', async () => {
    await open({}, PHONE);
    await add({ name: 'Lamp', photo: png('lamp.png', 800, 600), sheet: text('lamp.txt') });
    await evaluate("document.documentElement.style.fontSize = '200%'");
    expect(await stickingOut()).toBe(PHONE.viewport.width);
    expect(await buttonsOutside('.card, header')).toEqual([]);
    await button('Edit Lamp').click();
    expect(await evaluate(`(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(${FIELDS})`)).toBe(
      0,
    );
    expect(await buttonsOutside('#editor')).toEqual([]);
    expect((await button('Cancel').boundingBox())?.height).toBeLessThan(60);
    await page.locator('#sheet').focus();
    expect(await evaluate('document.querySelector("#editor").scrollTop')).toBe(0);
    await button('Cancel').click();
    await button('Delete Lamp').click();
    expect(await buttonsOutside('#confirm')).toEqual([]);
  });

  /** Buttons that stick out of what they are in, to a side. */
  const buttonsOutside = (selector: string) =>
    evaluate<string[]>(`[...document.querySelectorAll('${selector}')].flatMap((frame) => {
      const { left, right } = frame.getBoundingClientRect();
      return [...frame.querySelectorAll('.button')].filter((button) => {
        const box = button.getBoundingClientRect();
        return box.width > 0 && (box.left < left || box.right > right);
      });
    }).map((button) => button.textContent)`);

  const stickingOut = () => evaluate<number>('document.documentElement.scrollWidth');

  const smallTargets = () =>
    evaluate<string[]>(`[...document.querySelectorAll('.button, .sheet')]
      .filter((target) => target.checkVisibility())
      .filter((target) => { const { width, height } = target.getBoundingClientRect(); return width < 44 || height < 44 })
      .map((target) => target.outerHTML)`);

  /** How far things have moved by themselves since the page was loaded (https://wicg.github.io/layout-instability/). */
  const shifts = () =>
    evaluate<number>(`new Promise((resolve) => {
      let sum = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) sum += entry.value;
      }).observe({ type: 'layout-shift', buffered: true });
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
    })`);
});
