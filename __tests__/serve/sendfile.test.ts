import { describe, expect, test } from '@jest/globals';
import { sendfileHeader } from '../../lib/serve/sendfile.js';

const NGINX = { header: 'X-Accel-Redirect', root: '/var/files', prefix: '/internal' } as const;
const APACHE = { header: 'X-Sendfile', root: '/var/files', prefix: '' } as const;

describe('a file below the root', () => {
  test.each([
    [NGINX, '/var/files/id/file', { 'X-Accel-Redirect': '/internal/id/file' }],
    [NGINX, '/var/files/a b/100%é', { 'X-Accel-Redirect': '/internal/a%20b/100%25%C3%A9' }],
    [NGINX, '/var/files/..id/file', { 'X-Accel-Redirect': '/internal/..id/file' }],
    [APACHE, '/var/files/id/file', { 'X-Sendfile': '/var/files/id/file' }],
    [APACHE, '/var/files/é', { 'X-Sendfile': '/var/files/Ã©' }],
    [{ ...APACHE, root: '/' }, '/anywhere/file', { 'X-Sendfile': '/anywhere/file' }],
  ])('%j %s', (settings, path, header) => {
    expect(sendfileHeader(settings, path)).toEqual(header);
  });
});

describe('what the proxy cannot read', () => {
  test.each([undefined, '/var/other/file', '/var/filesystem/file', '/etc/passwd'])('%s', (path) => {
    expect(sendfileHeader(NGINX, path)).toBeUndefined();
    expect(sendfileHeader(APACHE, path)).toBeUndefined();
  });
});
