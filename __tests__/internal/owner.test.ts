import { once } from 'node:events';
import { uptime } from 'node:os';
import { basename } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from '@jest/globals';
import { FOREIGN_OWNER_PATIENCE, isAbandoned, ownerName } from '../../lib/internal/owner.js';

const LONG_AGO = Date.now() - FOREIGN_OWNER_PATIENCE - 1;
const BEFORE_BOOT = Date.now() - (uptime() + 60) * 1000;
const TELL_THREAD = `
  const { parentPort } = require('node:worker_threads');
  parentPort.on('message', () => {});
  parentPort.postMessage(require('node:fs').readlinkSync('/proc/thread-self'));
`;
const isLinux = process.platform === 'linux';

describe('owner', () => {
  test('has a name that is fit for a folder', () => {
    expect(ownerName()).toMatch(/^[\w-]+\.\d+\.[\w-]+\.[0-9a-f]{8}$/);
  });

  test('lives as long as its process, whichever instance it was', () => {
    expect(isAbandoned(ownerName(process.pid, 'another'), LONG_AGO)).toBe(false);
    expect(isAbandoned(ownerName(4_194_305), Date.now())).toBe(true);
  });

  test.each([
    ['on another machine', (name: string) => `other-${name}`],
    ['in a container of the same name', (name: string) => name.replace(/-\d+\./, '-4026532000.')],
  ])('%s, it is given time', (_where, elsewhere) => {
    expect(isAbandoned(elsewhere(ownerName(4_194_305)), Date.now())).toBe(false);
    expect(isAbandoned(elsewhere(ownerName(4_194_305)), LONG_AGO)).toBe(true);
  });

  test('is known by a name without the id of its machine', () => {
    const withoutId = (name: string) => name.replace(/-[0-9a-f]+(-\d+\.)/, '$1');
    expect(withoutId(ownerName())).not.toBe(ownerName());
    expect(isAbandoned(withoutId(ownerName()), LONG_AGO)).toBe(false);
    expect(isAbandoned(withoutId(ownerName(4_194_305)), Date.now())).toBe(true);
  });

  (isLinux ? describe : describe.skip)('of another boot', () => {
    const [machine, pid, start = '', instance] = ownerName().split('.');
    const otherBoot = [machine, pid, start.replace(/-.*/, '-00000000'), instance].join('.');

    test('is no more, though a process has its id and tick now', () => {
      expect(isAbandoned(otherBoot, BEFORE_BOOT)).toBe(true);
    });

    test('is on another machine of the same name, if it has changed something since this one was started', () => {
      expect(isAbandoned(otherBoot, Date.now())).toBe(false);
    });
  });

  (isLinux ? test : test.skip)('in a worker ends with it', async () => {
    const worker = new Worker(TELL_THREAD, { eval: true });
    const [link] = await once(worker, 'message');
    const name = ownerName(Number(basename(link)));
    expect(isAbandoned(name, LONG_AGO)).toBe(false);
    await worker.terminate();
    expect(isAbandoned(name, Date.now())).toBe(true);
  });
});
