import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';

const ROOT = resolve(import.meta.dirname, '../..');
const NOWHERE = join(tmpdir(), 'filedepot-no-such-folder');

/** Runs the tests of the servers on a machine that has none. */
async function runTests(CI: string) {
  const parameters = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', 'support.test/servers'];
  const child = spawn(process.execPath, parameters, {
    cwd: ROOT,
    env: { PATH: NOWHERE, DEPOT_TEST_CACHE: NOWHERE, CI },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  const output = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await ended;
  return { code, output: output.join('') };
}

describe('tests whose server is missing', () => {
  test('are skipped by name', async () => {
    const { code, output } = await runTests('');
    expect(code).toBe(0);
    for (const name of ['S3 server', 'Google Cloud Storage server', 'MongoDB replica set', 'Python']) {
      expect(output).toContain(`SKIPPED: ${name}. There is no`);
      expect(output).toContain(`○ skipped ${name} (There is no`);
    }
  });

  test('fail where all tests must run', async () => {
    const { code, output } = await runTests('true');
    expect(code).toBe(1);
    expect(output).toContain('There is no S3 server (versitygw v1.8.0): "npm run servers" tells why');
  });
});
