import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { FileInfo } from '../../lib/contract/file-info.js';
import { type CodeBlock, readCodeBlocks } from '../support/code-blocks.js';
import { ConsumerProject, type Manifest, readJson } from '../support/consumer-project.js';

/** Whatever port a program asks for, it gets a free one, and tells which. */
const TELL_PORT = `
import { Server } from 'node:net';
const { listen } = Server.prototype;
Server.prototype.listen = function (...parameters) {
  this.once('listening', () => process.send(this.address().port));
  return listen.call(this, 0, '127.0.0.1', ...parameters.filter((one) => typeof one === 'function'));
};
`;

/** A picture of one pixel. */
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
);

let project: ConsumerProject;
let example: CodeBlock | undefined;
beforeAll(async () => {
  [example] = await readCodeBlocks();
  project = await ConsumerProject.create();
  await project.write('tell-port.mjs', TELL_PORT);
}, 120_000);
afterAll(() => project.remove());

let server: ChildProcess | undefined;
afterEach(async () => {
  if (!server || server.exitCode !== null) return;
  const ended = once(server, 'close');
  server.kill();
  await ended;
});

/** Runs a program until it listens; gives its origin. */
async function serve(file: string): Promise<string> {
  const child = spawn(process.execPath, ['--import', './tell-port.mjs', file], {
    cwd: project.folder,
    env: { ...process.env, PORT: '0', NODE_OPTIONS: '' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  server = child;
  const ended = once(child, 'close').then(([code]) =>
    Promise.reject(new Error(`${file} ended with ${code}`)),
  );
  const [port] = await Promise.race([once(child, 'message'), ended]);
  ended.catch(() => {});
  return `http://127.0.0.1:${port}`;
}

/** The same program by `require`. */
function toCommonJs(code: string): string {
  return code
    .replace(/^import (\w+), (\{[^}]*\}) from ('[^']+');$/gm, 'const $1 = require($3); const $2 = $1;')
    .replace(/^import (\w+|\{[^}]*\}) from ('[^']+');$/gm, 'const $1 = require($2);');
}

/** Where the program takes an upload, as its source says: `app.post('/photos', ….single('photo'), …)`. */
function uploadTarget(code: string): { route: string; field: string } {
  const [, route = ''] = /\.post\(\s*'([^']+)'/.exec(code) ?? [];
  const [, field = ''] = /\.(?:single|array)\('([^']+)'/.exec(code) ?? [];
  return { route, field };
}

async function uploadAndDownload(origin: string, code: string): Promise<void> {
  const { route, field } = uploadTarget(code);
  const form = new FormData();
  form.append(field, new File([PIXEL], 'pixel.png', { type: 'image/png' }));
  const uploaded = await fetch(origin + route, { method: 'POST', body: form });
  expect(uploaded.status).toBe(201);
  const { url } = (await uploaded.json()) as FileInfo;
  const downloaded = await fetch(origin + url);
  expect(downloaded.headers.get('content-type')).toBe('image/png');
  expect(Buffer.from(await downloaded.arrayBuffer())).toEqual(PIXEL);
}

describe('the installed package', () => {
  test('has what people need, and nothing else', async () => {
    const { stdout } = await project.node(
      '--print',
      `fs.readdirSync('node_modules/filedepot').sort().join(' ')`,
    );
    expect(stdout.trim()).toBe('CHANGELOG.md LICENSE README.md dist docs package.json');
  });

  test('comes without optional peers', async () => {
    const { peerDependenciesMeta = {} } = await readJson<Manifest>('package.json');
    for (const peer of Object.keys(peerDependenciesMeta)) {
      await expect(project.node('--eval', `require.resolve('${peer}')`)).rejects.toThrow();
    }
  });

  test("runs the README's first example by import", async () => {
    const { language, code } = example ?? {};
    expect(language).toBe('js');
    await project.write('example.mjs', code ?? '');
    await uploadAndDownload(await serve('example.mjs'), code ?? '');
  });

  test("runs the README's first example by require", async () => {
    const code = toCommonJs(example?.code ?? '');
    expect(code).not.toMatch(/^import /m);
    await project.write('example.cjs', code);
    await uploadAndDownload(await serve('example.cjs'), code);
  });
});
