import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { DepotError, type DepotErrorCode } from '../../lib/errors.js';
import { isTransient, RefusedRequest, refusalOf, toStorageError } from '../../lib/storages/gcs/errors.js';

/** An answer, as far as it is looked at. */
function answer(statusCode: number, body: string): IncomingMessage {
  return Object.assign(Readable.from([body]), { statusCode }) as unknown as IncomingMessage;
}

const UNIFORM =
  'Cannot insert legacy ACL for an object when uniform bucket-level access is enabled. Read more at …';

describe('an answer that is no success', () => {
  test.each([
    [
      404,
      '{"error":{"code":404,"message":"The specified bucket does not exist."}}',
      '404 The specified bucket does not exist.',
    ],
    [
      404,
      '<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>It is gone.</Message></Error>',
      '404 NoSuchKey It is gone.',
    ],
    [403, '<Error><Code>AccessDenied</Code></Error>', '403 AccessDenied'],
    [502, '<html>', '502 <html>'],
    [400, '{"error":"invalid_grant"}', '400 Bad Request'],
    [503, '', '503 Service Unavailable'],
    [499, 'null', '499 null'],
    [599, '', '599'],
  ])('%d %s', async (status, body, message) => {
    expect(await refusalOf(answer(status, body))).toMatchObject({ status, message });
  });

  test.each<[number, string, DepotErrorCode, RegExp]>([
    [401, 'Invalid Credentials', 'STORAGE_LOGIN_FAILED', /check credentials or keyFilename/],
    [403, 'forbidden', 'STORAGE_ACCESS_DENIED', /Storage Object User/],
    [400, UNIFORM, 'STORAGE_ACCESS_DENIED', /set uniformBucketLevelAccess/],
    [400, 'invalid', 'STORAGE_FAILED', /invalid$/],
    [404, 'Not Found', 'BUCKET_NOT_FOUND', /createBucket/],
    [429, 'slow down', 'STORAGE_UNAVAILABLE', /slow down$/],
    [503, 'Service Unavailable', 'STORAGE_UNAVAILABLE', /Unavailable$/],
    [501, 'Not Implemented', 'STORAGE_FAILED', /Implemented$/],
  ])('%d %s: %s', (status, message, code, text) => {
    const cause = new RefusedRequest(status, message);
    const error = toStorageError(cause, 'The bucket');
    expect(error).toMatchObject({ code, cause });
    expect((error as DepotError).message).toMatch(text);
    expect((error as DepotError).message).toMatch(/^The bucket: /);
  });
});

describe('what passes', () => {
  test.each([408, 429, 500, 502, 503, 504])('%d', (status) => {
    expect(isTransient(new RefusedRequest(status, ''))).toBe(true);
  });

  test.each([400, 401, 403, 404, 412, 416])('not %d', (status) => {
    expect(isTransient(new RefusedRequest(status, ''))).toBe(false);
  });

  test('what the network says, and nothing else', () => {
    expect(isTransient(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))).toBe(true);
    expect(isTransient(new Error('of somebody else'))).toBe(false);
    expect(isTransient(Object.assign(new TypeError('wrong'), { code: 'ERR_INVALID_CHAR' }))).toBe(false);
    expect(isTransient(new DepotError('STORAGE_UNAVAILABLE'))).toBe(false);
    expect(isTransient('text')).toBe(false);
  });

  test('names of several addresses that were tried', () => {
    const cause = Object.assign(new AggregateError([new Error('one'), new Error('other')]), { code: 'X' });
    expect(toStorageError(cause, 'The bucket')).toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: 'The bucket: Error: one, Error: other',
    });
  });
});
