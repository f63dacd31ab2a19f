import type { Cases, Subject } from './subject.js';

/** What must never reach a disk, a key or a URL. */
const NOT_IDS: readonly unknown[] = [
  '',
  '.',
  '..',
  '../x',
  '..\\x',
  '/etc/passwd',
  'a/b',
  'a\\b',
  'a/../b',
  'a%2fb',
  'a\0b',
  'a\n',
  'a b',
  'a.b',
  '-a',
  '_a',
  '__proto__',
  'é',
  'a'.repeat(129),
  undefined,
  null,
  5,
  true,
  {},
  [],
  ['a'],
  { id: '../x' },
  { id: null },
  Symbol('id'),
  () => 'a',
];

type Act = (subject: Subject, id: string) => Promise<unknown>;

const METHODS: Readonly<Record<string, Act>> = {
  get: ({ storage }, id) => storage.get(id),
  stat: ({ storage }, id) => storage.stat(id),
  exists: ({ storage }, id) => storage.exists(id),
  open: ({ storage }, id) => storage.open(id),
  delete: ({ storage }, id) => storage.delete(id),
  url: ({ storage }, id) => storage.url(id),
  replace: ({ storage }, id) => storage.replace(id, 'x'),
  'stage().replace': async ({ storage }, id) => (await storage.stage('x')).replace(id),
  create: async ({ storage }, id) => storage.create('x', { id: id === undefined ? '' : id }),
  'stage().commit': async ({ storage }, id) => (await storage.stage('x')).commit({ id: id ?? '' }),
};

/** The one door for ids. */
export const ids: Cases = {
  'newId: gives ids that new files can have, each time another': async (subject) => {
    const { storage } = subject;
    const ids = [storage.newId(), storage.newId()];
    subject.ok(ids[0] !== ids[1], 'newId', 'give another id each time');
    for (const id of ids) {
      subject.equal(await storage.exists(id), false, 'newId', 'give an id that no file has');
      const created = await storage.create('content', { id });
      subject.equal(created, id, 'create', 'give a new file the id that newId gave');
    }
  },

  ...Object.fromEntries(
    Object.entries(METHODS).map(([method, act]) => [
      `${method}: refuses what cannot be an id`,
      async (subject: Subject) => expectRefusals(subject, method, act),
    ]),
  ),

  'create: takes ids of one character and of 128': async (subject) => {
    if (!subject.can('anyId')) return expectUnsupported(subject);
    const long = `${subject.newId()}-`.padEnd(128, 'x');
    subject.equal(
      await subject.storage.create('long', { id: long }),
      long,
      'create',
      'take an id of 128 characters',
    );
    subject.equal(
      await (await subject.storage.get(long)).text(),
      'long',
      'create',
      'keep the file under that id',
    );
    const short = await freeCharacter(subject);
    subject.equal(
      await subject.storage.create('short', { id: short }),
      short,
      'create',
      'take an id of one character',
    );
    await subject.storage.delete(short);
  },
};

async function expectRefusals(subject: Subject, method: string, act: Act): Promise<void> {
  await subject.leavesNothing(method, 'of what cannot be an id', async () => {
    for (const id of NOT_IDS) {
      await subject.rejects(act(subject, id as string), 'INVALID_FILE_ID', method, `for ${shown(id)}`);
    }
  });
}

/** The counter-case: a storage that makes its own ids says so. */
async function expectUnsupported(subject: Subject): Promise<void> {
  await subject.leavesNothing('create', 'where an id is not of the form of the storage', async () => {
    const act = subject.storage.create('x', { id: subject.newId() });
    await subject.rejects(
      act,
      'UNSUPPORTED',
      'create',
      'for an id of another form, without the capability anyId',
    );
  });
}

/** A one-character id that no file has: the storage may hold others' files. */
async function freeCharacter({ storage }: Subject): Promise<string> {
  for (const character of 'zyxwvutsrqponmlkjihgfedcba0123456789') {
    if (!(await storage.exists(character))) return character;
  }
  throw new Error('All ids of one character are taken');
}

function shown(id: unknown): string {
  return typeof id === 'string' ? JSON.stringify(id.slice(0, 20)) : `${typeof id} ${JSON.stringify(id)}`;
}
