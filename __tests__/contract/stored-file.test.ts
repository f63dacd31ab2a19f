import { Readable } from 'node:stream';
import { describe, expect, jest, test } from '@jest/globals';
import { type FileDetails, type OpenStream, StoredFile } from '../../lib/contract/stored-file.js';

const details: FileDetails = {
  id: 'a',
  filename: 'a.txt',
  contentType: 'text/plain',
  size: 7,
  lastModified: new Date(1000),
  sha256: 'abc',
  metadata: { a: 1 },
  etag: '"a"',
  publicUrl: 'https://example.org/a',
};

const text = 'žluť🐎';

/** Cut in the middle of characters. */
function openText(): Readable {
  const bytes = Buffer.from(text);
  return Readable.from([bytes.subarray(0, 1), bytes.subarray(1, 8), bytes.subarray(8)]);
}

function failing(error: Error): OpenStream {
  return () => new Readable({ read: () => {} }).destroy(error);
}

describe('StoredFile', () => {
  test('has the details at once, and opens nothing', () => {
    const open = jest.fn(openText);
    expect({ ...new StoredFile(details, open) }).toEqual(details);
    expect(open).not.toHaveBeenCalled();
  });

  test('as JSON is its details', () => {
    expect(JSON.parse(JSON.stringify(new StoredFile(details, openText)))).toEqual({
      ...details,
      lastModified: '1970-01-01T00:00:01.000Z',
    });
  });

  test('opens a stream each time, with the range and the signal that it is given', () => {
    const open = jest.fn<OpenStream>(openText);
    const file = new StoredFile(details, open);
    const options = { start: 1, end: 2, signal: new AbortController().signal };
    expect(file.stream(options)).not.toBe(file.stream());
    expect(open.mock.calls).toEqual([[options], [{}]]);
  });

  test('gives its content in every form', async () => {
    const file = new StoredFile(details, openText);
    expect(await file.buffer()).toEqual(Buffer.from(text));
    expect(await file.text()).toBe(text);
    const blob = await file.blob();
    expect([blob.type, await blob.text()]).toEqual(['text/plain', text]);
    const chunks: Buffer[] = [];
    for await (const chunk of file) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe(text);
  });

  test('closes the stream when an iteration is left', async () => {
    let stream: Readable | undefined;
    const file = new StoredFile(details, () => {
      stream = openText();
      return stream;
    });
    for await (const _chunk of file) break;
    expect(stream?.destroyed).toBe(true);
  });

  test('fails in every form as its stream does', async () => {
    const error = new Error('gone');
    const file = new StoredFile(details, failing(error));
    await expect(file.buffer()).rejects.toBe(error);
    await expect(file.text()).rejects.toBe(error);
    await expect(file.blob()).rejects.toBe(error);
    await expect(file[Symbol.asyncIterator]().next()).rejects.toBe(error);
  });
});
