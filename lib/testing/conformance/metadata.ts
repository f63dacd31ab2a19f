import { MAX_METADATA_BYTES, type Metadata } from '../../contract/metadata.js';
import type { Cases, Subject } from './subject.js';

/** The metadata `{"a": "xxx…"}` of so many bytes of JSON. */
function metadataOf(byteLength: number): Metadata {
  return { a: 'x'.repeat(byteLength - JSON.stringify({ a: '' }).length) };
}

const cyclic: { self?: unknown } = {};
cyclic.self = cyclic;

const INVALID: readonly unknown[] = [
  null,
  'text',
  5,
  ['list'],
  new Map([['a', 1]]),
  new Date(0),
  () => 'function',
  { big: 1n },
  cyclic,
  metadataOf(MAX_METADATA_BYTES + 1),
  { é: 'é'.repeat(MAX_METADATA_BYTES / 2) },
];

/** Facts that are kept beside a file. */
export const metadata: Cases = {
  'create: keeps metadata as JSON does': async (subject) => {
    const given = {
      text: 'žluť "🐎" \u0000 </script>',
      numbers: [0, -1.5, 1e21],
      truth: false,
      none: null,
      deep: [{}],
    };
    const file = await subject.store('x', { metadata: given });
    subject.equal(file.metadata, given, 'create', 'keep all that JSON can say');
  },

  'get: gives metadata that cannot be changed': async (subject) => {
    const { id } = await subject.store('x', { metadata: { deep: { list: [{ value: 1 }] } } });
    const { metadata } = await subject.storage.get(id);
    subject.ok(isDeeplyFrozen(metadata), 'get', 'give metadata that is frozen, at every depth');
    subject.ok(
      isDeeplyFrozen((await subject.store('x')).metadata),
      'get',
      'give empty metadata that is frozen',
    );
  },

  'create: keeps a copy of the metadata': async (subject) => {
    const given = { list: ['before'] };
    const { id } = await subject.store('x', { metadata: given });
    given.list[0] = 'after';
    const { metadata } = await subject.storage.get(id);
    subject.equal(metadata, { list: ['before'] }, 'create', 'not share metadata with its caller');
  },

  'create: keeps __proto__ as a key like any other': async (subject) => {
    const given = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}');
    const file = await subject.store('x', { metadata: given });
    subject.ok(
      Object.hasOwn(file.metadata, '__proto__'),
      'create',
      'keep a metadata key that is called __proto__',
    );
    subject.equal(JSON.stringify(file.metadata), JSON.stringify(given), 'create', 'keep such metadata whole');
    subject.ok(!('polluted' in {}), 'create', 'leave Object.prototype alone');
  },

  'create: takes 1 KiB of metadata': async (subject) => {
    const given = metadataOf(MAX_METADATA_BYTES);
    const file = await subject.store('x', { metadata: given });
    subject.equal(file.metadata, given, 'create', 'keep 1,024 bytes of metadata');
  },

  'create, replace, commit: refuse invalid metadata': async (subject) => {
    const old = await subject.store('old', { metadata: { old: true } });
    await subject.leavesNothing('create', 'of invalid metadata', async () => {
      for (const value of INVALID) await expectRefused(subject, old.id, value as Metadata);
    });
    subject.equal(
      (await subject.storage.get(old.id)).metadata,
      { old: true },
      'replace',
      'keep the old metadata',
    );
  },
};

async function expectRefused(subject: Subject, id: string, metadata: Metadata): Promise<void> {
  const { storage } = subject;
  const when = `for metadata like ${String(metadata).slice(0, 40)}`;
  await subject.rejects(storage.create('x', { metadata }), 'INVALID_METADATA', 'create', when);
  await subject.rejects(storage.replace(id, 'x', { metadata }), 'INVALID_METADATA', 'replace', when);
  const staged = await storage.stage('x');
  await subject.rejects(staged.commit({ metadata }), 'INVALID_METADATA', 'stage().commit', when);
}

function isDeeplyFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen);
}
