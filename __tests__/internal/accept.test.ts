import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { lookup } from 'mime-types';
import { decideContentType, parseAccept, type TypeClaims } from '../../lib/internal/accept.js';
import { ROOT } from '../support/consumer-project.js';

const anything = parseAccept(undefined);
const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';
const ODT = 'application/vnd.oasis.opendocument.text';
const JAR = 'application/java-archive';
const APK = 'application/vnd.android.package-archive';
const EPUB = 'application/epub+zip';
const UNKNOWN = 'application/octet-stream';

function outcome(claims: TypeClaims, accept?: readonly string[]): string {
  try {
    return decideContentType(claims, accept ? parseAccept(accept) : anything);
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('the type of content by what is detected and declared', () => {
  test.each<[detected: string | undefined, declared: string | undefined, type: string]>([
    // nothing to choose from
    [undefined, undefined, UNKNOWN],
    [undefined, UNKNOWN, UNKNOWN],
    [undefined, 'not a type', UNKNOWN],
    [undefined, 'text/plain; charset=utf-8', 'text/plain; charset=utf-8'],
    [undefined, 'Text/HTML', 'text/html'],
    [undefined, 'application/json', 'application/json'],
    [undefined, 'application/vnd.ms-excel', 'application/vnd.ms-excel'],
    // nothing worth hearing is declared
    ['image/png', undefined, 'image/png'],
    ['image/png', UNKNOWN, 'image/png'],
    ['image/png', 'binary/octet-stream', 'image/png'],
    ['image/png', 'application/x-www-form-urlencoded', 'image/png'],
    ['image/png', 'text/plain', 'image/png'],
    ['application/x-msdownload', 'text/csv', 'application/x-msdownload'],
    // the same family
    ['image/png', 'image/png', 'image/png'],
    ['image/jpeg', 'image/png', 'image/jpeg'],
    ['image/png', 'image/svg+xml', 'image/png'],
    ['video/mp4', 'video/quicktime', 'video/mp4'],
    ['audio/mpeg', 'video/mp4', 'audio/mpeg'],
    ['font/woff2', 'font/ttf', 'font/woff2'],
    [XLSX, DOCX, XLSX],
    // other names of a type
    ['image/jpeg', 'image/jpg', 'image/jpeg'],
    ['audio/mpeg', 'audio/mp3', 'audio/mpeg'],
    ['audio/wav', 'audio/x-wav', 'audio/wav'],
    ['audio/x-m4a', 'audio/mp4', 'audio/mp4'],
    ['application/zip', 'application/x-zip-compressed', 'application/zip'],
    ['image/x-icon', 'image/vnd.microsoft.icon', 'image/vnd.microsoft.icon'],
    ['video/matroska', 'video/x-matroska', 'video/x-matroska'],
    ['video/vnd.avi', 'video/x-msvideo', 'video/x-msvideo'],
    ['application/xml', 'text/xml; charset=utf-8', 'application/xml; charset=utf-8'],
    ['audio/ogg; codecs=opus', 'audio/ogg; codecs=opus', 'audio/ogg; codecs=opus'],
    // containers: the more exact name is kept
    ['application/zip', DOCX, DOCX],
    ['application/zip', ODT, ODT],
    ['application/zip', JAR, JAR],
    ['application/zip', APK, APK],
    ['application/zip', EPUB, EPUB],
    ['application/zip', 'application/vnd.google-earth.kmz', 'application/vnd.google-earth.kmz'],
    [DOCX, 'application/zip', DOCX],
    [JAR, 'application/x-zip-compressed', JAR],
    ['application/x-cfb', 'application/msword', 'application/msword'],
    ['application/x-cfb', 'application/vnd.ms-excel', 'application/vnd.ms-excel'],
    ['application/x-cfb', DOCX, DOCX],
    [XLSX, 'application/vnd.ms-excel', XLSX],
    ['application/xml', 'image/svg+xml', 'image/svg+xml'],
    ['application/xml', 'application/xhtml+xml', 'application/xhtml+xml'],
    ['application/xml', 'text/html', 'text/html'],
    ['application/gzip', 'application/x-gtar', 'application/x-gtar'],
    ['application/ogg', 'audio/ogg', 'audio/ogg'],
    ['video/webm', 'audio/webm; codecs=opus', 'audio/webm; codecs=opus'],
    ['video/mp4', 'audio/mp4', 'audio/mp4'],
    ['video/x-ms-asf', 'video/x-ms-wmv', 'video/x-ms-wmv'],
    ['image/tiff', 'image/x-pentax-pef', 'image/x-pentax-pef'],
    // texts that begin with a signature
    ['image/bmp', 'text/markdown', 'text/markdown'],
    ['model/stl', 'text/plain', 'text/plain'],
    // cannot be recognized, so cannot be contradicted
    [undefined, 'image/svg+xml', 'image/svg+xml'],
    [undefined, 'image/x-unknown', 'image/x-unknown'],
    [undefined, 'video/mp2t', 'video/mp2t'],
    [undefined, 'application/msword', 'application/msword'],
    // the content is something else
    [undefined, 'image/png', 'CONTENT_TYPE_MISMATCH'],
    [undefined, 'image/jpg', 'CONTENT_TYPE_MISMATCH'],
    [undefined, 'audio/mp3', 'CONTENT_TYPE_MISMATCH'],
    [undefined, 'video/mp4', 'CONTENT_TYPE_MISMATCH'],
    [undefined, 'font/woff2', 'CONTENT_TYPE_MISMATCH'],
    [undefined, 'application/pdf', 'CONTENT_TYPE_MISMATCH'],
    [undefined, 'application/zip', 'CONTENT_TYPE_MISMATCH'],
    [undefined, DOCX, 'CONTENT_TYPE_MISMATCH'],
    ['application/xml', 'image/png', 'CONTENT_TYPE_MISMATCH'],
    ['application/pdf', 'image/png', 'CONTENT_TYPE_MISMATCH'],
    ['application/zip', 'application/pdf', 'CONTENT_TYPE_MISMATCH'],
    ['application/x-msdownload', 'image/jpeg', 'CONTENT_TYPE_MISMATCH'],
    ['image/png', 'video/mp4', 'CONTENT_TYPE_MISMATCH'],
  ])('%s, declared as %s: %s', (detected, declared, type) => {
    expect(outcome({ detected, declared })).toBe(type);
  });

  test.each<[filename: string, detected: string | undefined, declared: string | undefined, type: string]>([
    ['notes.md', undefined, UNKNOWN, 'text/markdown'],
    ['notes.md', undefined, 'text/plain', 'text/plain'],
    ['book.docx', 'application/zip', UNKNOWN, DOCX],
    ['photo.png', 'image/jpeg', UNKNOWN, 'image/jpeg'],
    ['page.png', undefined, UNKNOWN, UNKNOWN],
    ['page.png', 'application/xml', undefined, 'application/xml'],
    ['constructor', undefined, undefined, UNKNOWN],
  ])('%s, detected %s, declared %s: %s', (filename, detected, declared, type) => {
    expect(outcome({ filename, detected, declared })).toBe(type);
  });

  test.each<[previous: string, detected: string | undefined, declared: string | undefined, type: string]>([
    ['text/csv', undefined, undefined, 'text/csv'],
    ['text/csv', undefined, 'application/json', 'application/json'],
    ['image/png', 'image/gif', undefined, 'image/gif'],
    ['image/png', undefined, undefined, UNKNOWN],
    [DOCX, 'application/zip', undefined, DOCX],
  ])('in the place of %s, detected %s, declared %s: %s', (previous, detected, declared, type) => {
    expect(outcome({ previous, detected, declared })).toBe(type);
  });
});

describe('what is accepted', () => {
  const REFUSED = 'CONTENT_TYPE_NOT_ACCEPTED';
  test.each<[accept: string[], claims: TypeClaims, type: string]>([
    [['*/*'], { declared: 'text/html' }, 'text/html'],
    [['image/png'], { detected: 'image/png' }, 'image/png'],
    [['IMAGE/PNG'], { detected: 'image/png' }, 'image/png'],
    [['image/png'], { detected: 'image/gif' }, REFUSED],
    [['image/png'], { detected: 'image/gif', declared: 'image/png' }, REFUSED],
    [['image/*'], { detected: 'image/gif' }, 'image/gif'],
    [['image/*'], { declared: 'image/svg+xml' }, 'image/svg+xml'],
    [['image/*'], { detected: 'application/pdf' }, REFUSED],
    [['image/*'], { declared: UNKNOWN }, REFUSED],
    [['image/*'], { filename: 'x.png', declared: UNKNOWN }, REFUSED],
    [['audio/*'], { detected: 'video/webm', declared: 'audio/webm' }, 'audio/webm'],
    [['image/jpg'], { detected: 'image/jpeg' }, 'image/jpeg'],
    [['application/x-zip-compressed'], { detected: 'application/zip' }, 'application/zip'],
    [['application/xml'], { declared: 'text/xml' }, 'application/xml'],
    [['text/plain'], { declared: 'text/plain; charset=utf-8' }, 'text/plain; charset=utf-8'],
    [['.pdf'], { detected: 'application/pdf', declared: UNKNOWN }, 'application/pdf'],
    [['.PDF'], { detected: 'application/pdf' }, 'application/pdf'],
    [['.pdf'], { filename: 'x.pdf', declared: 'text/html' }, REFUSED],
    [['.docx'], { detected: 'application/zip', filename: 'x.docx' }, DOCX],
    [['application/zip'], { detected: DOCX, declared: 'application/zip' }, REFUSED],
    [['.csv'], { filename: 'x.csv', declared: 'application/vnd.ms-excel' }, 'text/csv'],
    [['.csv'], { filename: 'x.csv', detected: 'image/png', declared: 'text/csv' }, REFUSED],
    [['.csv'], { filename: 'x.exe', declared: 'application/vnd.ms-excel' }, REFUSED],
    [['.jpg', '.png'], { detected: 'image/png' }, 'image/png'],
    [[], { declared: 'text/plain' }, REFUSED],
    // not what is declared: said only where the one or the other would be accepted
    [['image/*'], { declared: 'video/mp4' }, REFUSED],
    [['image/*'], { detected: 'application/pdf', declared: 'video/mp4' }, REFUSED],
    [['image/*'], { detected: 'image/png', declared: 'video/mp4' }, 'CONTENT_TYPE_MISMATCH'],
    [['image/*'], { declared: 'image/png' }, 'CONTENT_TYPE_MISMATCH'],
    [['image/jpeg'], { declared: 'image/jpg' }, 'CONTENT_TYPE_MISMATCH'],
    [['image/*'], { detected: 'application/pdf', declared: 'image/png' }, 'CONTENT_TYPE_MISMATCH'],
  ])('%j: %j is %s', (accept, claims, type) => {
    expect(outcome(claims, accept)).toBe(type);
  });

  /** The endings and types that magic bytes can show, as pairs. */
  function detectableTypes(): [ending: string, type: string][] {
    const source = readFileSync(join(ROOT, 'node_modules/file-type/core.js'), 'utf8');
    const pairs = source.matchAll(/ext: '([^']+)',(?:\s*\/\/.*)?\s*mime: '([^']+)'/g);
    return [...pairs].map(([, ending = '', type = '']) => [`.${ending}`, type]);
  }

  /** Endings that belong to something else where types are looked up by names. */
  const OF_OTHERS = new Set(['.mpc', '.skp']);

  test('a file with its own ending is accepted by that ending, whatever it is declared as', () => {
    const pairs = detectableTypes().filter(([ending]) => lookup(ending) && !OF_OTHERS.has(ending));
    expect(pairs.length).toBeGreaterThan(100);
    const refused = pairs.flatMap(([ending, detected]) => {
      const declarations = [undefined, lookup(ending) || undefined, UNKNOWN];
      const outcomes = declarations.map((declared) =>
        outcome({ detected, declared, filename: `a${ending}` }, [ending]),
      );
      return outcomes.includes(REFUSED) ? [[ending, detected]] : [];
    });
    expect(refused).toEqual([]);
  });

  test.each([
    ['.vcf', 'text/vcard', 'text/vcard'],
    ['.mpg', 'video/MP1S', 'video/mpeg'],
    ['.mpg', 'video/MP2P', 'video/mpeg'],
    ['.mp4', 'video/x-m4v', 'video/mp4'],
    ['.heic', 'image/heif', 'image/heic'],
    ['.heif', 'image/heif-sequence', 'image/heif'],
  ])('%s: %s is %s', (ending, detected, type) => {
    expect(outcome({ detected, filename: `a${ending}` }, [ending])).toBe(type);
  });

  test.each(['png', 'image', '*', '', '/', 'image/', '.', '.nobody-knows', 'image/png; q=1', 'a/b/c'])(
    'refuses %j as an entry',
    (entry) => {
      expect(() => parseAccept([entry])).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    },
  );
});
