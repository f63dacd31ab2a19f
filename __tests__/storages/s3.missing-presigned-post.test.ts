import { expect, jest, test } from '@jest/globals';

test('without its package, direct uploads are refused with the command that installs it', async () => {
  const name = '@aws-sdk/s3-presigned-post';
  jest.unstable_mockModule(name, () => {
    const message = `Cannot find package '${name}' imported from upload-form.js`;
    throw Object.assign(new Error(message), { code: 'ERR_MODULE_NOT_FOUND' });
  });
  const { S3Storage } = await import('../../lib/storages/s3.js');
  const storage = new S3Storage({ bucket: 'b', endpoint: 'http://127.0.0.1:9', maxAttempts: 1 });
  await expect(storage.directUpload({ maxSize: 1 })).rejects.toMatchObject({
    code: 'MISSING_PACKAGE',
    message: `Package "${name}" is not installed: npm install ${name}`,
  });
  await storage.close();
});
