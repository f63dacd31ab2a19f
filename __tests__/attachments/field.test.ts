import { describe, expect, test } from '@jest/globals';
import { attachmentField, uploadedFile } from '../../lib/attachments/field.js';

describe('attachmentField', () => {
  test('takes everything, if nothing is said', () => {
    const { filters, maxSize, accept, storage } = attachmentField();
    expect({ filters, maxSize, storage }).toEqual({ filters: [], maxSize: Infinity, storage: undefined });
    expect(accept.has('text/html')).toBe(true);
  });

  test('reads sizes and lists of types', () => {
    const filter = { apply: () => {} };
    const field = uploadedFile({
      maxSize: '1kb',
      accept: ['image/*', '.pdf'],
      filters: [filter],
      storage: 'photos',
    });
    expect(field).toMatchObject({ maxSize: 1024, filters: [filter], storage: 'photos' });
    expect(['image/png', 'application/pdf', 'text/plain'].map(field.accept.has)).toEqual([true, true, false]);
  });

  test('gives back what it has checked', () => {
    const field = attachmentField({ maxSize: 5 });
    expect(attachmentField(field)).toBe(field);
    expect(Object.isFrozen(field)).toBe(true);
  });

  test.each([
    [{ maxSize: 'much' }],
    [{ maxSize: -1 }],
    [{ accept: ['everything'] }],
    [{ filters: [{}] }],
    [{ filters: { apply: () => {} } }],
    [{ filters: [null] }],
    [{ storage: 5 }],
    [{ processContent: 'smaller' }],
    [{ accepts: ['image/*'] }],
    [{ maxFileSize: '1mb' }],
    [{ filter: [] }],
    [null],
  ])('%j is an error', (options) => {
    expect(() => attachmentField(options as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    );
  });

  test.each(['allowNull', 'nullable', 'required'])('%s belongs to the column', (name) => {
    expect(() => uploadedFile({ [name]: false })).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        message: expect.stringContaining(`"${name}" belongs to the column`),
      }),
    );
  });
});
