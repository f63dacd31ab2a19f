import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ExampleProject } from '../support/example-server.js';
import { removeFolder } from '../support/folders.js';
import { pngOf } from '../support/png.js';
import { describeWith, startMongoServer } from '../support/servers/index.js';

await describeWith('examples/express-mongoose', [startMongoServer], (mongo) => {
  let project: ExampleProject;
  let folder: string;
  let depotFolder = '';

  beforeAll(async () => {
    project = await ExampleProject.build();
    folder = await mkdtemp(join(tmpdir(), 'filedepot-mongoose-'));
  });

  afterAll(async () => {
    await project?.remove();
    await removeFolder(folder);
  });

  function start(settings: Record<string, string> = {}) {
    depotFolder = join(folder, randomUUID());
    const url = new URL(mongo.url);
    url.pathname = `/catalogue-${randomUUID()}`;
    const defaults = { MONGO_URL: url.href, DEPOT_URL: `file:${depotFolder}` };
    return project.run({ ...defaults, ...settings }, 'express-mongoose');
  }

  async function files(): Promise<string[]> {
    return (await readdir(depotFolder)).filter((name) => !name.startsWith('.'));
  }

  test('needs to know where MongoDB is', async () => {
    const server = await start({ MONGO_URL: '' });
    expect(await server.ended).toBe(1);
    expect(server.errors).toBe(
      'MONGO_URL must say where MongoDB is, e.g. mongodb://127.0.0.1/catalogue?replicaSet=rs0\n',
    );
  });

  test('keeps products with their files, page by page', async () => {
    const server = await start();
    const send = async (method: string, path: string, values: Record<string, string | Blob>) => {
      const body = new FormData();
      for (const [name, value] of Object.entries(values)) body.append(name, value);
      const answer = await fetch(`${server.url}${path}`, { method, body });
      return { status: answer.status, body: (await answer.json()) as { id: string; photo: object | null } };
    };
    const photo = new File([pngOf(640, 480, [200, 30, 30])], 'lamp.png', { type: 'image/png' });
    const lamp = await send('POST', '/products', { name: 'Lamp', price: '12.50', photo });
    expect(lamp).toMatchObject({ status: 201, body: { price: 1250, photo: { filename: 'lamp.png' } } });
    expect(await files()).toHaveLength(2);
    const path = `/products/${lamp.body.id}`;
    const other = await send('PUT', path, {
      name: 'Lamp',
      price: '1',
      remove: 'photo',
      sheet: new Blob(['text']),
    });
    expect(other).toMatchObject({ status: 200, body: { photo: null, sheet: { size: 4 } } });
    expect(await files()).toHaveLength(1);
    expect(await send('PUT', '/products/none', { name: 'Lamp', price: '1' })).toMatchObject({ status: 404 });
    await send('POST', '/products', { name: 'Chair', price: '1' });
    const list = async (query = '') => (await fetch(`${server.url}/products${query}`)).json();
    expect(await list()).toMatchObject({ products: [{ name: 'Chair' }, { name: 'Lamp' }], next: null });
    expect(await list('?before=none')).toMatchObject({ products: [] });
    expect((await fetch(server.url + path, { method: 'DELETE' })).status).toBe(204);
    expect(await files()).toEqual([]);
    expect(await server.stop()).toBe(0);
  });
});
