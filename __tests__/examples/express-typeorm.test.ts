import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type ExampleProcess, ExampleProject } from '../support/example-server.js';
import { removeFolder } from '../support/folders.js';
import { photo as detailed } from '../support/images.js';
import { pngOf } from '../support/png.js';
import { until } from '../support/until.js';

interface StoredFile {
  readonly url: string;
  readonly filename: string;
}

interface Product {
  readonly id: string;
  readonly name: string;
  readonly photo: (StoredFile & { readonly thumb: { readonly url: string } }) | null;
  readonly sheet: StoredFile | null;
}

const PHOTO = new File([pngOf(60, 40, [200, 30, 30])], 'photo.png', { type: 'image/png' });
const NO_PHOTO = new File(['hello'], 'photo.png', { type: 'image/png' });

describe('examples/express-typeorm, its server', () => {
  let project: ExampleProject;
  let folder: string;
  let server: ExampleProcess;

  beforeAll(async () => {
    project = await ExampleProject.build();
  });

  afterAll(() => project?.remove());

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'filedepot-typeorm-'));
  });

  afterEach(async () => {
    await server?.stop();
    await removeFolder(folder);
  });

  async function start(settings: Record<string, string> = {}): Promise<void> {
    const places = { DEPOT_URL: `file:${folder}/depot`, DATABASE: join(folder, 'catalogue.sqlite') };
    server = await project.run({ ...places, ...settings }, 'express-typeorm');
  }

  function send(method: string, path: string, values: Record<string, string | File>): Promise<Response> {
    const body = new FormData();
    for (const [name, value] of Object.entries(values)) body.set(name, value);
    return fetch(server.url + path, { method, body });
  }

  async function products(query = ''): Promise<{ products: Product[]; next: string | null }> {
    const answer = await fetch(`${server.url}/products${query}`);
    return (await answer.json()) as { products: Product[]; next: string | null };
  }

  async function idsOnDisk(): Promise<string[]> {
    const names = await readdir(join(folder, 'depot'));
    return names.filter((name) => !name.startsWith('.')).sort();
  }

  async function idsInRows(): Promise<string[]> {
    const { products: found } = await products();
    const urls = found.flatMap(({ photo, sheet }) => [photo?.url, photo?.thumb.url, sheet?.url]);
    return urls.flatMap((url) => url?.split('/').at(-1) ?? []).sort();
  }

  test('gives photos that caches may keep for good', async () => {
    await start();
    const created = await send('POST', '/products', { name: 'Lamp', price: '12,5', photo: PHOTO });
    const lamp = (await created.json()) as Product;
    expect([created.status, created.headers.get('location')]).toEqual([201, '/products/1']);
    expect(lamp).toMatchObject({ name: 'Lamp', price: 1250, photo: { filename: 'photo.png' }, sheet: null });
    const thumb = await fetch(server.url + lamp.photo?.thumb.url);
    expect(thumb.headers.get('content-type')).toBe('image/webp');
    expect(thumb.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  });

  test('keeps its products over a restart', async () => {
    await start();
    await send('POST', '/products', { name: 'Übergroße 表', price: '1', photo: PHOTO, sheet: NO_PHOTO });
    const before = await products();
    expect(await server.stop()).toBe(0);
    await start();
    expect(await products()).toEqual(before);
    expect(await idsOnDisk()).toEqual(await idsInRows());
  });

  test('refuses what is no product, and stores nothing of it', async () => {
    await start({ MAX_FILE_SIZE: '100kb' });
    const large = new File([Buffer.alloc(200_000)], 'large.bin');
    const cases: [Record<string, string | File>, number, object][] = [
      [{ name: ' ', photo: PHOTO }, 400, { detail: 'A name has 1 to 100 characters' }],
      [{ price: '-1', photo: PHOTO }, 400, { detail: 'A price is a number such as 12.50' }],
      [{ description: 'x'.repeat(1001) }, 400, { detail: 'A description has at most 1000 characters' }],
      [{ photo: NO_PHOTO, sheet: PHOTO }, 415, { code: 'IMAGE_NOT_ACCEPTED' }],
      [{ photo: PHOTO, sheet: large }, 413, { code: 'FILE_TOO_LARGE' }],
      [{ other: PHOTO }, 400, { code: 'UNEXPECTED_FILE' }],
    ];
    for (const [values, status, problem] of cases) {
      const answer = await send('POST', '/products', { name: 'Lamp', price: '1', ...values });
      expect([answer.status, await answer.json()]).toEqual([status, expect.objectContaining(problem)]);
    }
    expect((await products()).products).toEqual([]);
    expect(await idsOnDisk()).toEqual([]);
    expect(server.errors).toBe('');
  });

  test('knows no other product, and takes nothing from other sites', async () => {
    await start();
    for (const id of ['1', '0', 'none', '1%20OR%201', '9'.repeat(40)]) {
      expect((await send('PUT', `/products/${id}`, { name: 'x', price: '1' })).status).toBe(404);
      expect((await fetch(`${server.url}/products/${id}`, { method: 'DELETE' })).status).toBe(204);
    }
    expect((await products('?before=none')).products).toEqual([]);
    const headers = { 'Sec-Fetch-Site': 'cross-site' };
    expect((await fetch(`${server.url}/products/1`, { method: 'DELETE', headers })).status).toBe(403);
    expect(server.errors).toBe('');
  });

  test('keeps what many save at once apart: what one is refused for touches no other', async () => {
    await start();
    const photos = Array.from({ length: 24 }, (_, index) => (index % 3 === 0 ? NO_PHOTO : PHOTO));
    const answers = await Promise.all(
      photos.map((photo, index) => send('POST', '/products', { name: `No. ${index}`, price: '1', photo })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(16);
    expect((await products()).products).toHaveLength(16);
    const ids = await idsInRows();
    await until(async () => (await idsOnDisk()).length === ids.length, 'the others to be gone');
    expect(await idsOnDisk()).toEqual(ids);
  });

  test('leaves no file without a product where it is killed while one is saved', async () => {
    await start();
    const large = await detailed(2400, 1800).jpeg().toBuffer();
    const photo = new File([large], 'large.jpg', { type: 'image/jpeg' });
    const first = { name: 'Lamp', price: '1', photo: PHOTO };
    await send('POST', '/products', first);
    const known = await idsOnDisk();
    const saving = send('PUT', '/products/1', { ...first, photo }).catch(() => {});
    await until(async () => (await idsOnDisk()).length > known.length, 'the new photo to be stored');
    await server.stop('SIGKILL');
    await saving;
    await start();
    const ids = await idsInRows();
    expect(ids).toHaveLength(2);
    await until(async () => (await idsOnDisk()).length === 2, 'what is left over to be gone');
    expect(await idsOnDisk()).toEqual(ids);
  });

  test('says why it cannot start', async () => {
    await start({ DATABASE: folder });
    expect(await server.ended).toBe(1);
    expect(server.errors).toMatch(/^Cannot start: /);
  });
});
