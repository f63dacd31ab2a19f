import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { removeFolder } from '../support/folders.js';
import { until } from '../support/until.js';

const INSTALL = resolve(import.meta.dirname, '../support/servers/install.js');
const SERVER = 'versitygw-v1.8.0';

let folder: string;
let cache: string;
let commands: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filedepot-install-'));
  cache = join(folder, 'cache');
  commands = join(folder, 'commands');
  await mkdir(commands);
});

afterEach(() => removeFolder(folder));

/** Installs the S3 server, with only our commands on PATH. */
function start() {
  const others = ['GCS_URL', 'MONGODB_URL', 'POSTGRES_URL', 'PRISMA', 'PYTHON', 'SQLITE3'];
  const elsewhere = Object.fromEntries(others.map((name) => [`DEPOT_TEST_${name}`, 'x']));
  const child = spawn(process.execPath, [INSTALL], {
    env: { PATH: commands, DEPOT_TEST_CACHE: cache, ...elsewhere },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  const ended = once(child, 'close').then(async ([code]) => ({ code, output: (await output).join('') }));
  return { child, ended };
}

/** A compiler whose work is a shell script. */
async function provideGo(script: string): Promise<void> {
  await writeFile(join(commands, 'go'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

const BUILD = `
printf '#!/bin/sh\\n[ "$1" = --version ]\\n' > "$GOBIN/versitygw"
/bin/chmod +x "$GOBIN/versitygw"`;

describe('the installation of servers', () => {
  test('is done once', async () => {
    await provideGo(BUILD);
    const first = await start().ended;
    expect(first.output).toMatch(/^Getting the S3 server .*\nGot the S3 server .* in \d+ s\n$/);
    expect(await readdir(join(cache, SERVER))).toEqual(['versitygw']);
    await rm(join(commands, 'go'));
    expect(await start().ended).toEqual({ code: 0, output: '' });
  });

  test('can be done twice at the same time', async () => {
    const untilTwoBuild = 'until set -- build-*; [ $# = 2 ]; do /bin/sleep 0.01; done';
    await provideGo(`cd "${folder}"; : > build-$$; ${untilTwoBuild}; ${BUILD}`);
    const outcomes = await Promise.all([start().ended, start().ended]);
    for (const { code, output } of outcomes) {
      expect(code).toBe(0);
      expect(output).toContain('Got the S3 server');
    }
    expect(await readdir(cache)).toEqual([SERVER]);
  });

  test.each([
    ['without its tools', undefined, 'spawn go ENOENT'],
    ['that fails', 'echo "no such module" >&2; exit 1', 'no such module'],
    [
      'of what does not run here',
      `${BUILD}; printf '#!/bin/sh\\nexit 9' > "$GOBIN/versitygw"`,
      'Command failed',
    ],
  ])('%s is said aloud and leaves nothing', async (_, script, reason) => {
    if (script) await provideGo(script);
    const { code, output } = await start().ended;
    expect(code).toBe(0);
    expect(output).toContain('MISSING: the S3 server (versitygw v1.8.0)');
    expect(output).toContain(reason);
    expect(await readdir(cache)).toEqual([]);
  });

  test('leaves nothing when it is interrupted', async () => {
    await provideGo(`: > "${folder}/building"; exec /bin/sleep 60`);
    const { child, ended } = start();
    await until(async () => (await readdir(folder)).includes('building'), 'the build');
    child.kill('SIGINT');
    expect((await ended).code).toBe(1);
    expect(await readdir(cache)).toEqual([]);
  });
});
