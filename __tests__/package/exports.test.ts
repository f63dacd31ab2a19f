import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ConsumerProject, type Manifest, ROOT, readJson } from '../support/consumer-project.js';

const { exports, name } = await readJson<Manifest>('package.json');
const SUBPATHS = Object.keys(exports).filter((subpath) => subpath !== './package.json');
const SPECIFIERS = SUBPATHS.map((subpath) => name + subpath.slice(1));

let project: ConsumerProject;
beforeAll(async () => {
  project = await ConsumerProject.create();
  await project.addOptionalPeers();
}, 120_000);
afterAll(() => project.remove());

describe('subpaths', () => {
  test('each public part has one, and each leads to a public part', async () => {
    const files = await readdir(join(ROOT, 'lib'), { recursive: true });
    const indexes = files.filter((file) => /(^|\/)index\.ts$/.test(file)).map((file) => dirname(file));
    const parts = indexes.map((folder) => (folder === '.' ? '.' : `./${folder}`));
    const adapters = files.flatMap((file) => /^attachments\/orm\/([\w-]+)\.ts$/.exec(file)?.[1] ?? []);
    const subpaths = [...parts, ...adapters.map((name) => `./${name}`)];
    expect(SUBPATHS.sort()).toEqual(subpaths.sort());
  });

  test.each(SPECIFIERS)('%s gives the same by import and by require', async (specifier) => {
    const imported = `import * as all from '${specifier}'; console.log(Object.keys(all).sort().join())`;
    const required = `console.log(Object.keys(require('${specifier}')).sort().join())`;
    const byImport = await project.node('--input-type=module', '--eval', imported);
    const byRequire = await project.node('--input-type=commonjs', '--eval', required);
    expect(byImport.stdout.trim()).not.toBe('');
    expect(byRequire.stdout).toBe(byImport.stdout);
  });

  test('package.json can be read', async () => {
    const { stdout } = await project.node('--print', `require('${name}/package.json').name`);
    expect(stdout.trim()).toBe(name);
  });

  test.each(['lib/index.ts', 'dist/index.js', 'depot/manager.js'])('%s is ours alone', async (path) => {
    await expect(project.node('--print', `require('${name}/${path}')`)).rejects.toMatchObject({
      stderr: expect.stringContaining('ERR_PACKAGE_PATH_NOT_EXPORTED'),
    });
  });
});
