import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { removeFolder } from '../support/folders.js';

/** Something that a power cut undoes unless it is synced: bytes of a file, or a name in a folder. */
interface Change {
  readonly path: string;
  readonly what: string;
}

type Call = (...args: unknown[]) => unknown;

let unsynced: Change[] = [];
/** What was not synced when a file got the name under which it is read. */
let tooEarly: Change[] = [];
const paths = new Map<unknown, string>();

function changed(path: string, what: string): void {
  unsynced.push({ path, what });
}

function synced(path: string | undefined): void {
  unsynced = unsynced.filter((change) => change.path !== path);
}

/** Whatever is seen under its name from now on must be safe before, with all that is below it. */
function renamed(from: string, to: string): void {
  const isBelow = ({ path }: Change) => path === from || path.startsWith(`${from}/`);
  if (isSeen(to)) tooEarly.push(...unsynced.filter(isBelow));
  unsynced = unsynced.map((change) => ({ ...change, path: change.path.replace(from, to) }));
  changed(dirname(to), `the name ${basename(to)}`);
  changed(dirname(from), `the end of the name ${basename(from)}`);
}

/** Staged content and locks may go in a power cut: nobody relies on them after it. */
function isSeen(path: string): boolean {
  return !path.includes('/.staging') && !path.includes('/.replacing');
}

/** What each call does to the disk, told when it has succeeded. */
const EFFECTS: Readonly<Record<string, (args: unknown[], result: unknown) => void>> = {
  open: ([path, flags], descriptor) => {
    paths.set(descriptor, String(path));
    if (flags === 'wx') changed(dirname(String(path)), `the name ${basename(String(path))}`);
  },
  write: ([descriptor]) => changed(paths.get(descriptor) ?? '', 'bytes'),
  writev: ([descriptor]) => changed(paths.get(descriptor) ?? '', 'bytes'),
  fsync: ([descriptor]) => synced(paths.get(descriptor)),
  fdatasync: ([descriptor]) => synced(paths.get(descriptor)),
  rename: ([from, to]) => renamed(String(from), String(to)),
};

/** The storage takes its calls from `node:fs` when it is loaded, so they are wrapped before that. */
const fs: typeof import('node:fs') = createRequire(import.meta.url)('node:fs');
const calls = fs as unknown as Record<string, Call>;
const real: Record<string, Call> = {};
for (const [name, effect] of Object.entries(EFFECTS)) {
  const [call, syncCall] = [calls[name] as Call, calls[`${name}Sync`] as Call];
  Object.assign(real, { [name]: call, [`${name}Sync`]: syncCall });
  calls[name] = (...args) => {
    const callback = args.pop() as Call;
    return call(...args, (error: unknown, result: unknown) => {
      if (!error) effect(args, result);
      callback(error, result);
    });
  };
  calls[`${name}Sync`] = (...args) => {
    const result = syncCall(...args);
    effect(args, result);
    return result;
  };
}
const { LocalStorage } = await import('../../lib/storages/local.js');

let storagePath: string;

beforeEach(() => {
  storagePath = fs.mkdtempSync(join(tmpdir(), 'filedepot-durability-'));
  paths.clear();
  unsynced = [];
  tooEarly = [];
});

afterEach(async () => {
  await removeFolder(storagePath);
});

afterAll(() => {
  Object.assign(fs, real);
});

/** What a power cut would take, or would have taken at the moment when it was seen first. */
function atRisk(): Change[] {
  return [...tooEarly, ...unsynced.filter(({ path }) => isSeen(path))];
}

function newStorage(durability?: 'fsync' | 'rename') {
  return new LocalStorage({ storagePath, durability });
}

test.each([
  ['nothing', ''],
  ['a few bytes', 'content'],
  ['several pieces', Buffer.alloc(3_000_000, 'x')],
])('a power cut takes nothing of what was acknowledged: %s', async (_size, content) => {
  const storage = newStorage();
  const id = await storage.create(content, { metadata: { a: 1 } });
  expect(atRisk()).toEqual([]);
  await storage.replace(id, content, { metadata: { a: 2 } });
  expect(atRisk()).toEqual([]);
  await storage.delete(id);
  expect(atRisk()).toEqual([]);
});

test('without syncing, a power cut can take all of it, as the option says', async () => {
  await newStorage('rename').create('content');
  expect(atRisk().map(({ what }) => what)).toEqual(expect.arrayContaining(['bytes']));
});
