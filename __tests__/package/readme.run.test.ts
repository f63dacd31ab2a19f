import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Sequelize } from 'sequelize';
import type { DepotManager } from '../../lib/depot/manager.js';
import { runAllBlocks } from '../support/code-module.js';
import { removeFolder } from '../support/folders.js';
import { pngOf } from '../support/png.js';
import { describeWith, startPostgresServer } from '../support/servers/index.js';

/** What the code of the README leaves behind. */
interface Program {
  readonly depot: DepotManager;
  readonly server: Server;
  readonly sequelize: Sequelize;
  /** What was stored, replaced and deleted. */
  readonly info: { readonly path: string };
  /** What was looked at, and discarded since it is no PDF. */
  readonly staged: { readonly detectedType?: string | undefined };
}

await describeWith(
  'the code of the README, from its beginning to its end',
  [startPostgresServer],
  (postgres) => {
    let folder: string;
    let program: Program;
    let origin: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'filedepot-readme-'));
      process.env.DATABASE_URL = await postgres.createDatabase();
      program = await runAllBlocks<Program>('README.md', {
        './uploads': join(folder, 'uploads'),
        'file:./archive': `file:${join(folder, 'archive')}`,
        'app.listen(process.env.PORT ?? 3000)': "export const server = app.listen(0, '127.0.0.1')",
        'console.log(': 'String(',
        'process.stdin': "Buffer.from('GIF89a')",
        'useAttachments(sequelize': 'sequelize.options.logging = false;\nuseAttachments(sequelize',
        'await depot.recover();':
          'await sequelize.sync();\nawait depot.recover();\nexport { depot, info, sequelize, staged };',
      });
      const { server } = program;
      if (!server.listening) await once(server, 'listening');
      origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterAll(async () => {
      program?.server.close();
      await program?.depot.close();
      await program?.sequelize.close();
      await removeFolder(folder);
    });

    /** Sends a form, with a photo if there is one. */
    async function send(
      route: string,
      photo: Blob | undefined,
      fields: Readonly<Record<string, string>> = {},
    ) {
      const form = new FormData();
      if (photo) form.append('photo', photo, 'green.png');
      for (const [name, value] of Object.entries(fields)) form.append(name, value);
      const answer = await fetch(origin + route, { method: 'POST', body: form });
      return { status: answer.status, body: (await answer.json()) as { readonly path?: string } };
    }

    const picture = () => new Blob([pngOf(300, 200, [0, 128, 0])], { type: 'image/png' });

    test('takes photos, and nothing else', async () => {
      const { status, body } = await send('/photos', picture());
      expect([status, body]).toEqual([201, expect.objectContaining({ filename: 'green.png' })]);
      expect((await fetch(`${origin}/depot/${body.path}`)).headers.get('content-type')).toBe('image/png');
      expect((await send('/photos', new Blob(['text']))).body).toMatchObject({ status: 415 });
    });

    test('has the storages that it names, and deletes what it has shown', async () => {
      const { depot, info, staged } = program;
      expect([depot.getDefault(), depot.resolveAlias('old-photos')]).toEqual(['archive', 'archive']);
      await expect(depot.getFile(info.path)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
      expect(staged.detectedType).toBe('image/gif');
    });

    test('takes a body that is the file, and gives it only to whom it belongs', async () => {
      const answer = await fetch(`${origin}/files/hello.txt`, { method: 'PUT', body: 'Hello' });
      const info = (await answer.json()) as { path: string };
      expect([answer.status, info]).toEqual([201, expect.objectContaining({ filename: 'hello.txt' })]);
      const get = (headers: Record<string, string>) => fetch(`${origin}/files/${info.path}`, { headers });
      expect(await (await get({})).text()).toBe('Hello');
      expect((await get({ 'X-User': 'somebody' })).status).toBe(403);
    });

    test('saves a document with its photo', async () => {
      const { status, body } = await send('/documents', picture(), { name: 'A document' });
      const photo = expect.objectContaining({ contentType: 'image/png', thumb: expect.anything() });
      expect([status, body]).toEqual([201, expect.objectContaining({ name: 'A document', photo })]);
      const found = await program.sequelize.model('Document').findAll();
      expect(found).toHaveLength(1);
    });

    test('saves a document without a photo', async () => {
      const { status, body } = await send('/documents', undefined, { name: 'Without' });
      expect([status, body]).toEqual([201, expect.objectContaining({ name: 'Without', photo: null })]);
    });
  },
);
