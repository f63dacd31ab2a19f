import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { isRunning } from '../support/process.js';

const CHILD = resolve(import.meta.dirname, '../support/children/guarded.js');

type Child = ChildProcessByStdio<null, Readable, null>;

async function firstLine({ stdout }: Child): Promise<string> {
  const [line] = await once(createInterface(stdout), 'line');
  return line;
}

describe('a guarded server', () => {
  test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'ends with the process that asked for it, by %s',
    async (signal) => {
      const folder = await mkdtemp(join(tmpdir(), 'filedepot-guard-'));
      const child: Child = spawn(process.execPath, [CHILD, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
      const server = Number(await firstLine(child));
      expect(isRunning(server)).toBe(true);
      // The guard and the server have the same output: it closes with the last of the three.
      const closed = once(child, 'close');
      child.kill(signal);
      await closed;
      expect(isRunning(server)).toBe(false);
      expect(existsSync(folder)).toBe(false);
    },
  );
});
