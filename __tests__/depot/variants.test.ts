import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import express from 'express';
import sharp from 'sharp';
import { DepotManager, imageVariant } from '../../lib/index.js';
import { removeFolder } from '../support/folders.js';
import { photo } from '../support/images.js';
import { ask, problemOf, TestServers } from '../support/serving.js';

const KEY = 'a secret of more than thirty-two bytes';

const servers = new TestServers();
const depot = new DepotManager({ signing: { keys: [KEY] } });
let folder: string;
let port: number;
let content: Buffer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filedepot-variants-'));
  depot.configure('photos', { backend: 'local', storagePath: folder });
  depot.configure('vault', { backend: 'memory', private: true });
  const variants = { small: imageVariant({ size: 50, format: 'webp' }), tiny: imageVariant({ size: 5 }) };
  port = await servers.listen(express().use(depot.middleware({ variants })));
  content = await photo(600, 400).jpeg().toBuffer();
});
afterAll(async () => {
  await servers.close();
  await depot.close();
  await removeFolder(folder);
});

const codeOf = async (url: string) => {
  const answer = await ask(port, url);
  return [answer.status, problemOf(answer).code];
};

test('a photo in a small size', async () => {
  const { path } = await depot.create(content, { filename: 'photo.jpg' });
  const { status, headers, body } = await ask(port, depot.urlFor(path, { variant: 'small' }));
  expect(status).toBe(200);
  expect(await sharp(body).metadata()).toMatchObject({ format: 'webp', width: 50, height: 33 });
  expect(headers).toMatchObject({
    'content-type': 'image/webp',
    'content-length': String(body.byteLength),
    'content-disposition': 'inline; filename="photo.webp"',
  });
  const ids: string[] = [];
  for await (const id of depot.get('photos').list()) ids.push(id);
  expect(ids).toHaveLength(1);
});

test('what is no photo has none', async () => {
  const { path } = await depot.create('a text', { filename: 'photo.jpg' });
  expect(await codeOf(depot.urlFor(path, { variant: 'small' }))).toEqual([415, 'IMAGE_NOT_ACCEPTED']);
  const broken = await depot.create(content.subarray(0, 5000), { filename: 'photo.jpg' });
  expect(await codeOf(depot.urlFor(broken.path, { variant: 'small' }))).toEqual([422, 'IMAGE_INVALID']);
});

describe('of a private storage', () => {
  let path: string;
  beforeAll(async () => {
    ({ path } = await depot.create(content, { filename: 'photo.jpg', storage: 'vault' }));
  });

  test('a variant is signed, with the time that it has', async () => {
    const url = depot.urlFor(path, { variant: 'small', expiresIn: 60 });
    const { status, headers } = await ask(port, url);
    expect(status).toBe(200);
    expect(headers['cache-control']).toBe('private, max-age=0, must-revalidate');
    expect((await ask(port, depot.urlFor(path, { variant: 'small' }))).status).toBe(200);
  });

  test('what was signed for one thing opens no other', async () => {
    const file = depot.urlFor(path, { expiresIn: 60 });
    const small = depot.urlFor(path, { variant: 'small', expiresIn: 60 });
    const altered = [
      file.replace('?', '?variant=small&'),
      `${file}&variant=small`,
      `${file}&variant=`,
      `${file}&variant=unknown`,
      small.replace('variant=small&', ''),
      small.replace('variant=small', 'variant=tiny'),
      small.replace('variant=small', 'variant=small&variant=tiny'),
      `${small}&download`,
      depot
        .urlFor(path, { variant: 'tiny', disposition: 'attachment', expiresIn: 60 })
        .replace('tiny', 'small'),
    ];
    for (const url of altered) expect(await codeOf(url)).toEqual([403, 'URL_INVALID']);
  });

  test('nothing is told without a signature', async () => {
    for (const variant of ['small', 'unknown']) {
      expect(await codeOf(`/depot/${path}?variant=${variant}`)).toEqual([403, 'URL_NOT_SIGNED']);
    }
    const unknown = depot.urlFor(path, { variant: 'unknown', expiresIn: 60 });
    expect(await codeOf(unknown)).toEqual([404, 'VARIANT_NOT_FOUND']);
  });
});
