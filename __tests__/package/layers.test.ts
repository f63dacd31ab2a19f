import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type Manifest, ROOT, requiredPeers } from '../support/consumer-project.js';

const LIB = join(ROOT, 'lib');

const BASE = ['errors', 'internal', 'contract'];

/** What each room of the house may import, besides itself. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  internal: ['errors'],
  contract: ['errors', 'internal'],
  'object-storage': BASE,
  storages: [...BASE, 'object-storage'],
  attachments: BASE,
  images: [...BASE, 'attachments'],
  testing: [...BASE, 'attachments'],
  serve: BASE,
  upload: BASE,
  depot: [...BASE, 'storages', 'serve', 'upload'],
  index: [...BASE, 'storages', 'serve', 'upload', 'depot', 'attachments', 'images'],
};

interface Import {
  /** The file, relative to lib. */
  readonly from: string;
  /** What it imports: a file relative to lib, or a package as it is written. */
  readonly to: string;
  readonly isRelative: boolean;
  /** Whether the file cannot be loaded without it: types vanish, and `import()` is for later. */
  readonly isStatic: boolean;
}

const IMPORT = /^(?:import|export)\b(?:[^;']*? from)? '([^']+)';$|\bimport\('([^']+)'\)/gm;

const FILES = readdirSync(LIB, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
const IMPORTS = FILES.flatMap(importsOf);
const OWN_IMPORTS = IMPORTS.filter(({ isRelative }) => isRelative);
const MANIFEST: Manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

function importsOf(file: string): Import[] {
  const source = readFileSync(join(LIB, file), 'utf8');
  return [...source.matchAll(IMPORT)].map(([statement, name, dynamicName]) => {
    const to = name ?? dynamicName ?? '';
    const isStatic = name !== undefined && !/^(import|export) type/.test(statement);
    if (!to.startsWith('.')) return { from: file, to, isStatic, isRelative: false };
    const path = posix.join(posix.dirname(file), to).replace(/\.js$/, '.ts');
    return { from: file, to: path, isStatic, isRelative: true };
  });
}

/** `storages/local/reader.ts` is in the room `storages`. */
function roomOf(file: string): string {
  return (file.split('/')[0] ?? '').replace(/\.ts$/, '');
}

/** `attachments/orm/typeorm.ts` and `attachments/orm/typeorm/rows.ts` are parts of the adapter `typeorm`. */
function adapterOf(file: string): string | undefined {
  return /^attachments\/orm\/([^/.]+)/.exec(file)?.[1];
}

/** `storages/local.ts` and `storages/local/reader.ts` are parts of the storage `local`. */
function partOf(file: string): string {
  return (file.split('/')[1] ?? '').replace(/\.ts$/, '');
}

function arrow({ from, to }: Import): string {
  return `${from} -> ${to}`;
}

describe('the house', () => {
  test('has no other rooms', () => {
    expect(new Set(FILES.map(roomOf))).toEqual(new Set(Object.keys(BELOW)));
  });

  test('the arrows can be seen', () => {
    expect(OWN_IMPORTS.map(arrow)).toContain('index.ts -> depot/manager.ts');
    expect(OWN_IMPORTS.filter(({ to }) => !FILES.includes(to)).map(arrow)).toEqual([]);
  });

  test('imports point downward only', () => {
    const isAllowed = (room: string, other: string) => room === other || BELOW[room]?.includes(other);
    const wrong = OWN_IMPORTS.filter(({ from, to }) => !isAllowed(roomOf(from), roomOf(to)));
    expect(wrong.map(arrow)).toEqual([]);
  });

  test('one storage ignores the other', () => {
    const ofStorages = OWN_IMPORTS.filter(
      ({ from, to }) => roomOf(from) === 'storages' && roomOf(to) === 'storages',
    );
    expect(ofStorages.filter(({ from, to }) => partOf(from) !== partOf(to)).map(arrow)).toEqual([]);
  });

  test('one ORM ignores the other, and attachments ignore all of them', () => {
    const wrong = OWN_IMPORTS.filter(({ from, to }) => adapterOf(to) && adapterOf(from) !== adapterOf(to));
    expect(wrong.map(arrow)).toEqual([]);
  });

  test('nobody imports an index', () => {
    expect(OWN_IMPORTS.filter(({ to }) => posix.basename(to) === 'index.ts').map(arrow)).toEqual([]);
  });

  test.each(FILES.filter((name) => posix.basename(name) === 'index.ts'))(
    '%s only passes names on',
    (file) => {
      const source = readFileSync(join(LIB, file), 'utf8').replace(/\/\*.*?\*\//gs, '');
      const statements = source
        .split(';')
        .map((text) => text.trim())
        .filter(Boolean);
      for (const statement of statements)
        expect(statement).toMatch(/^export (type )?\{[^*}]*\} from '\.[^']*'$/);
    },
  );
});

describe('packages', () => {
  const foreign = IMPORTS.filter(({ isRelative, to }) => !isRelative && !to.startsWith('node:'));
  const required = [...Object.keys(MANIFEST.dependencies ?? {}), ...requiredPeers(MANIFEST)];
  const peers = Object.keys(MANIFEST.peerDependencies ?? {});
  const optional = peers.filter((name) => !required.includes(name));

  function packageOf({ to }: Import): string {
    return to.split('/', to.startsWith('@') ? 2 : 1).join('/');
  }

  test('are dependencies or peers', () => {
    const wrong = foreign.filter((one) => ![...required, ...optional].includes(packageOf(one)));
    expect(wrong.map(arrow)).toEqual([]);
  });

  test('that are optional are not needed to load anything but the adapter of an ORM', () => {
    const needed = foreign.filter((one) => one.isStatic && !required.includes(packageOf(one)));
    expect(needed.filter(({ from }) => !adapterOf(from)).map(arrow)).toEqual([]);
  });

  test('that are optional are those that are loaded on demand, and ORMs', () => {
    const sources = FILES.map((file) => readFileSync(join(LIB, file), 'utf8')).join('\n');
    const loaded = [...sources.matchAll(/new OptionalPeer\(\s*'([^']+)'/g)].map(([, name]) => name);
    const ofAdapters = foreign.filter(({ from }) => adapterOf(from)).map(packageOf);
    const used = [...loaded, ...ofAdapters.filter((name) => !required.includes(name))];
    expect(new Set(used)).toEqual(new Set(optional));
  });

  test('are not listed where nobody needs them', () => {
    const used = new Set(foreign.map(packageOf));
    const isUsed = (name: string) => used.has(name) || used.has(name.replace('@types/', ''));
    expect(Object.keys(MANIFEST.dependencies ?? {}).filter((name) => !isUsed(name))).toEqual([]);
  });
});
