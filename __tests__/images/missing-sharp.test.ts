import { expect, jest, test } from '@jest/globals';

test('without sharp, images are refused with the command that installs it', async () => {
  jest.unstable_mockModule('sharp', () => {
    const message = `Cannot find package 'sharp' imported from sharp-processor.js`;
    throw Object.assign(new Error(message), { code: 'ERR_MODULE_NOT_FOUND' });
  });
  const { SharpProcessor } = await import('../../lib/images/sharp-processor.js');
  const request = { renditions: [], placeholder: false };
  await expect(new SharpProcessor().process(Buffer.alloc(8), request)).rejects.toMatchObject({
    code: 'MISSING_PACKAGE',
    message: 'Package "sharp" is not installed: npm install sharp',
  });
});
