import { describe, expect, test } from '@jest/globals';
import { FOREIGN_OWNER_PATIENCE, isAbandoned, ownerName } from '../../lib/internal/owner.js';

const LONG_AGO = Date.now() - FOREIGN_OWNER_PATIENCE - 1;
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

  (isLinux ? test : test.skip)(
    'of an earlier boot is no more, though a process has its id and tick now',
    () => {
      const [machine, pid, start = '', instance] = ownerName().split('.');
      const earlier = [machine, pid, start.replace(/-.*/, '-00000000'), instance].join('.');
      expect(isAbandoned(earlier, Date.now())).toBe(true);
    },
  );
});
