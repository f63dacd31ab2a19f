import { expect, test } from '@jest/globals';
import { assertOptionNames } from '../../lib/internal/option-names.js';

const NAMES = ['mountpoint', 'verify'];

test.each([{}, { verify: true }, { mountpoint: '/', verify: false }, { other: undefined }])('%j', (given) => {
  expect(() => assertOptionNames(given, NAMES, 'middleware')).not.toThrow();
});

test.each([
  [
    { verify: true, mountPoint: '/' },
    'middleware: no option is called "mountPoint"; there are: mountpoint, verify',
  ],
  [{ constructor: 1 }, 'middleware: no option is called "constructor"; there are: mountpoint, verify'],
  ['/files', 'middleware: options must be an object'],
  [null, 'middleware: options must be an object'],
])('%j fails', (given, message) => {
  expect(() => assertOptionNames(given, NAMES, 'middleware')).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION', message }),
  );
});
