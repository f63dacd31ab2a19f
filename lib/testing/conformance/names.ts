import type { Cases, Subject } from './subject.js';

/** What is given, and what is kept of it. */
type Names = readonly (readonly [given: string, kept: string])[];

const LANGUAGES: Names = [
  'résumé.pdf',
  'страница.html',
  'ελληνικά.txt',
  'صورة.png',
  'עברית.txt',
  'ファイル.txt',
  '파일.txt',
  'हिन्दी.txt',
  '🐎🏳️‍🌈.png',
  'with space.txt',
  'q"u\'o`t<e>s&%20%.txt',
  'a;b=c,d.txt',
  '__proto__',
  'constructor',
  'no-extension',
  '.hidden',
  '...three',
].map((name) => [name, name] as const);

const UNSAFE: Names = [
  ['a\r\nSet-Cookie: b=c.txt', 'aSet-Cookie: b=c.txt'],
  ['nul\0.txt', 'nul.txt'],
  ['tab\t.txt', 'tab.txt'],
  ['\u001b[31mred.txt', '[31mred.txt'],
  ['c1\u0085\u009f.txt', 'c1.txt'],
  ['line\u2028\u2029.txt', 'line.txt'],
  ['invoice\u202egpj.exe', 'invoicegpj.exe'],
  ['\u2066isolated\u2069.txt', 'isolated.txt'],
  ['\ufeffmarked.txt', 'marked.txt'],
  ['lone\ud800.txt', 'lone\ufffd.txt'],
  ['cafe\u0301.txt', 'caf\u00e9.txt'],
  ['  around.txt  ', 'around.txt'],
];

const PATHS: Names = [
  ['../../etc/passwd', 'passwd'],
  ['/abs/olute.txt', 'olute.txt'],
  ['C:\\Users\\me\\photo.jpg', 'photo.jpg'],
  ['..\\..\\x', 'x'],
  ['folder/', 'unnamed'],
  ['.', 'unnamed'],
  ['..', 'unnamed'],
  ['a/..', 'unnamed'],
  ['', 'unnamed'],
  ['   ', 'unnamed'],
  ['\u202e\r\n', 'unnamed'],
];

/** File names: any language, nothing that harms a header or a path. */
export const names: Cases = {
  'create: keeps names in any language': async (subject) => expectNames(subject, LANGUAGES),

  'create: takes control and direction marks out of names': async (subject) => expectNames(subject, UNSAFE),

  'create: keeps the last part of a path as the name': async (subject) => expectNames(subject, PATHS),

  'create: cuts names to 255 bytes and keeps their extension': async (subject) => {
    for (const character of ['a', 'é', '馬', '🐎']) {
      const { filename } = await subject.store('', { filename: `${character.repeat(300)}.jpeg` });
      subject.ok(Buffer.byteLength(filename) <= 255, 'create', 'cut names to 255 bytes of UTF-8');
      subject.ok(Buffer.byteLength(filename) > 240, 'create', 'cut no more of a name than is needed');
      subject.ok(
        /^(.)\1+\.jpeg$/u.test(filename),
        'create',
        `cut a name between characters, not to ${filename}`,
      );
    }
  },

  'create, replace, commit: refuse a name that is no text': async (subject) => {
    const { storage } = subject;
    const { id } = await subject.store('old', { filename: 'old.txt' });
    await subject.leavesNothing('create', 'of a name that is no text', async () => {
      for (const value of [{}, ['a.txt'], 5, false]) {
        const options = { filename: value as unknown as string };
        const when = `for a name like ${JSON.stringify(value)}`;
        await subject.rejects(storage.create('x', options), 'INVALID_METADATA', 'create', when);
        await subject.rejects(storage.replace(id, 'x', options), 'INVALID_METADATA', 'replace', when);
        const staged = await storage.stage('x');
        await subject.rejects(staged.commit(options), 'INVALID_METADATA', 'stage().commit', when);
      }
    });
    const { filename } = await storage.stat(id);
    subject.equal(filename, 'old.txt', 'replace', 'keep the old name');
  },

  'replace: treats names as create does': async (subject) => {
    const { id } = await subject.store('old', { filename: 'old.txt' });
    for (const [filename, kept] of [...UNSAFE, ...PATHS].slice(0, 14)) {
      if (filename === '') continue;
      await subject.storage.replace(id, 'new', { filename });
      const file = await subject.storage.stat(id);
      subject.equal(
        file.filename,
        kept,
        'replace',
        `make ${JSON.stringify(kept)} of ${JSON.stringify(filename)}`,
      );
    }
  },
};

async function expectNames(subject: Subject, cases: Names): Promise<void> {
  for (const [filename, kept] of cases) {
    const file = await subject.store('named', { filename });
    subject.equal(
      file.filename,
      kept,
      'create',
      `make ${JSON.stringify(kept)} of ${JSON.stringify(filename)}`,
    );
    subject.equal(await file.text(), 'named', 'create', `keep the content of ${JSON.stringify(kept)}`);
  }
}
