import { Readable } from 'node:stream';
import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type Attachment, type AttachmentInput, attach } from '../../lib/attachments/attachment.js';
import { Attachments, type AttachmentsOptions } from '../../lib/attachments/attachments.js';
import { type AttachmentFieldOptions, attachmentField } from '../../lib/attachments/field.js';
import type { Intent, IntentJournal } from '../../lib/attachments/journal/journal.js';
import { MemoryJournal, type MemoryTransaction } from '../../lib/attachments/journal/memory-journal.js';
import { DepotManager } from '../../lib/depot/manager.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { type Fault, faultyStorage } from '../../lib/testing/index.js';
import { standingIds } from '../support/attachments/sample-intents.js';

/** What a journal was asked, in its order. */
let calls: string[];
let inner: MemoryJournal;
let depot: DepotManager;
let errors: unknown[];
let referenced: Set<string>;

beforeEach(() => {
  calls = [];
  errors = [];
  referenced = new Set();
  inner = new MemoryJournal();
  open();
});

function open(...faults: Fault[]): void {
  depot = new DepotManager();
  depot.configure('default', faultyStorage(new MemoryStorage(), faults));
}

/** The journal, with some methods done otherwise. */
function journal(changes: Partial<IntentJournal<MemoryTransaction>> = {}): IntentJournal<MemoryTransaction> {
  const note = (name: Exclude<keyof IntentJournal<MemoryTransaction>, 'table'>) => {
    const method = (changes[name] ?? inner[name].bind(inner)) as (...parameters: unknown[]) => unknown;
    return ((...parameters: unknown[]) => {
      calls.push(name);
      return method(...parameters);
    }) as never;
  };
  const methods = [
    'prepare',
    'announce',
    'record',
    'retract',
    'standing',
    'forget',
    'entries',
    'purge',
    'close',
  ] as const;
  return Object.fromEntries(methods.map((name) => [name, note(name)])) as never;
}

function attachments(changes: Partial<AttachmentsOptions<MemoryTransaction>> = {}) {
  return new Attachments<MemoryTransaction>({
    ...{ depot, journal: journal(), isReferenced: async (path) => referenced.has(path) },
    ...{ onError: (error) => errors.push(error), ...changes },
  });
}

/** A transaction, and its commit. */
function transaction() {
  const acts: (() => void)[] = [];
  const commit = () => {
    for (const act of acts) act();
  };
  return { defer: (act: () => void) => void acts.push(act), commit };
}

async function files(): Promise<string[]> {
  const paths = [];
  for await (const id of depot.get().list()) paths.push(`default/${id}`);
  return paths;
}

const field = (options?: AttachmentFieldOptions) => attachmentField(options);

/** Saves in a transaction of its own. */
async function save(all: Attachments<MemoryTransaction>, value: AttachmentInput, old?: Attachment | null) {
  const open = transaction();
  const unit = all.begin(open);
  const attachment = await unit.store(field(), value, old);
  open.commit();
  await unit.settle('committed');
  return attachment as Attachment;
}

describe('the journal', () => {
  test('is asked for as little as can be: a new file', async () => {
    const all = attachments();
    await save(all, attach('x'));
    await all.idle();
    expect(calls).toEqual(['prepare', 'announce', 'record', 'forget']);
  });

  test('is asked what stands before old files are deleted', async () => {
    const all = attachments();
    const old = await save(all, attach('x'));
    calls = [];
    await save(all, attach('y'), old);
    await all.idle();
    expect(calls).toEqual(['announce', 'record', 'standing', 'forget']);
  });

  test('is not asked where nothing happens', async () => {
    const unit = attachments().begin(transaction());
    await unit.store(field(), null);
    await unit.remove([null, undefined]);
    await unit.settle('committed');
    expect(calls).toEqual(['prepare']);
  });

  test('is written once for all that are stored at once', async () => {
    const all = attachments();
    const unit = all.begin(transaction());
    await Promise.all(Array.from({ length: 50 }, () => unit.store(field(), attach('x'))));
    expect(calls.filter((name) => name === 'announce').length).toBe(1);
    expect(calls.filter((name) => name === 'record').length).toBeLessThan(10);
    await unit.settle('rolledBack');
    expect(await files()).toEqual([]);
  });

  test('has each file on record before it is there, and forgets what was announced in vain', async () => {
    const announced = new Set<string>();
    const early: string[] = [];
    const announce = async (intents: readonly Intent[]) => {
      await inner.announce(intents);
      for (const { paths } of intents) announced.add(paths.join());
    };
    const all = attachments({ journal: journal({ announce }) });
    for (let count = 0; count < 30; count += 1) {
      const { path } = await save(all, attach('x'));
      if (!announced.has(path)) early.push(path);
    }
    expect(early).toEqual([]);
    expect(calls.filter((name) => name === 'announce').length).toBeLessThan(8);
    expect(announced.size).toBeGreaterThan(30);
    await all.idle();
    for await (const { paths } of inner.entries()) throw new Error(`${paths} is still on record`);
    expect(await files()).toHaveLength(30);
  });

  test('has nothing deleted that was never there', async () => {
    const all = attachments();
    const deletions: unknown[] = [];
    depot.get().delete = async (id) => void deletions.push(id);
    const unit = all.begin(transaction());
    await expect(unit.store(field({ maxSize: 3 }), attach('four'))).rejects.toThrow();
    await unit.settle('rolledBack');
    expect(deletions).toEqual([]);
  });

  test('that cannot announce lets nothing be stored', async () => {
    const all = attachments({ journal: journal({ announce: () => Promise.reject(new Error('full')) }) });
    const unit = all.begin(transaction());
    await expect(unit.store(field(), attach('x'))).rejects.toThrow('full');
    expect(await files()).toEqual([]);
  });

  test('that cannot be made ready is tried again', async () => {
    let attempts = 0;
    const prepare = async () => {
      attempts += 1;
      if (attempts === 1) throw new Error('not there yet');
    };
    const all = attachments({ journal: journal({ prepare }) });
    await expect(save(all, attach('x'))).rejects.toThrow('not there yet');
    await save(all, attach('x'));
    await save(all, attach('x'));
    expect(attempts).toBe(2);
  });

  test('that cannot record leaves the files to the rollback', async () => {
    const all = attachments({ journal: journal({ record: () => Promise.reject(new Error('broken')) }) });
    const unit = all.begin(transaction());
    await expect(unit.store(field(), attach('x'))).rejects.toThrow('broken');
    await unit.settle('rolledBack');
    await all.idle();
    expect(await files()).toEqual([]);
    expect(await standingIds(inner)).toEqual([]);
  });

  test('that cannot record leaves nothing of it, should the transaction be committed nevertheless', async () => {
    const record = () => Promise.reject(new Error('full'));
    const all = attachments({ journal: journal({ record }) });
    const open = transaction();
    const unit = all.begin(open);
    await expect(unit.store(field(), attach('x'))).rejects.toThrow('full');
    open.commit();
    await unit.settle('committed');
    expect(await files()).toEqual([]);
  });
});

describe('a unit of work', () => {
  test('waits for nothing in the background but with idle', async () => {
    let forget = () => {};
    const forgetting = new Promise<void>((resolve) => {
      forget = resolve;
    });
    const all = attachments({ journal: journal({ forget: () => forgetting }) });
    await save(all, attach('x'));
    const idle = all.idle();
    await expect(Promise.race([idle, Promise.resolve('busy')])).resolves.toBe('busy');
    forget();
    await idle;
  });

  test('takes nothing after its end', async () => {
    const unit = attachments().begin(transaction());
    await unit.settle('committed');
    await expect(unit.store(field(), attach('x'))).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('gives up what is under way at its end', async () => {
    open({ on: 'stage', hang: true });
    const unit = attachments().begin(transaction());
    const storing = unit.store(field(), attach('x'));
    storing.catch(() => {});
    await new Promise(setImmediate);
    await unit.settle('rolledBack');
    await expect(storing).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('removes more files than a call can have arguments', async () => {
    const all = attachments();
    const attachment = await save(all, attach('x'));
    const open = transaction();
    const unit = all.begin(open);
    await unit.remove(Array.from({ length: 200_000 }, () => attachment));
    open.commit();
    await unit.settle('committed');
    await all.idle();
    expect(await files()).toEqual([]);
    expect(await standingIds(inner)).toEqual([]);
  });

  test('is settled once', async () => {
    const unit = attachments().begin(transaction());
    await unit.store(field(), attach('x'));
    await Promise.all([unit.settle('rolledBack'), unit.settle('committed'), unit.settle('rolledBack')]);
    expect(await files()).toEqual([]);
  });

  test('of a transaction whose end is not known asks the journal, in the background', async () => {
    const all = attachments();
    const old = await save(all, attach('old'));
    for (const isCommitted of [false, true]) {
      const open = transaction();
      const unit = all.begin(open);
      const stored = await unit.store(field(), attach('new'), old);
      if (isCommitted) open.commit();
      await unit.settle('unknown');
      await all.idle();
      expect(await files()).toEqual([isCommitted ? stored?.path : old.path]);
    }
  });

  test('of a statement whose end is not known is left to recover, which asks the rows', async () => {
    const all = attachments();
    const old = await save(all, attach('old'));
    const unit = all.begin();
    const stored = await unit.store(field(), attach('new'), old);
    referenced = new Set([stored?.path ?? '']);
    await unit.settle('unknown');
    await all.idle();
    expect((await files()).length).toBe(2);
    expect(await all.recover()).toMatchObject({ deleted: [old.path], failed: [] });
    expect(await files()).toEqual([stored?.path]);
    expect(await standingIds(inner)).toEqual([]);
  });

  test('whose end nobody can tell leaves it to recover', async () => {
    let isBroken = true;
    const standing = async (intents: never) => {
      if (isBroken) throw new Error('no connection');
      return inner.standing(intents);
    };
    const all = attachments({ journal: journal({ standing }) });
    const unit = all.begin(transaction());
    await unit.store(field(), attach('x'));
    await unit.settle('unknown');
    await all.idle();
    expect(String(errors)).toContain('no connection');
    expect((await files()).length).toBe(1);
    isBroken = false;
    expect(await all.recover()).toMatchObject({ intents: 1, failed: [] });
    expect(await files()).toEqual([]);
    expect(await all.recover()).toMatchObject({ intents: 0 });
  });

  test('takes back what a failed statement was to write', async () => {
    const all = attachments();
    const old = await save(all, attach('old'));
    const other = await save(all, attach('other'));
    const open = transaction();
    const unit = all.begin(open);
    const kept = await unit.store(field(), attach('kept'), other);
    const lost = await unit.store(field(), attach('lost'), old);
    await unit.takeBack([lost as Attachment], [old]);
    open.commit();
    await unit.settle('committed');
    expect((await files()).sort()).toEqual([old.path, kept?.path].sort());
  });

  test('takes back one of two that were to replace the same', async () => {
    const all = attachments();
    const old = await save(all, attach('old'));
    const sameOld = all.read(old.toJSON()) as Attachment;
    const open = transaction();
    const unit = all.begin(open);
    const lost = await unit.store(field(), attach('lost'), old);
    const kept = await unit.store(field(), attach('kept'), sameOld);
    await unit.takeBack([lost as Attachment], [old]);
    open.commit();
    await unit.settle('committed');
    expect(await files()).toEqual([kept?.path]);
  });

  test('ends what is under way before a commit', async () => {
    const all = attachments();
    const old = await save(all, attach('old'));
    const open = transaction();
    const unit = all.begin(open);
    const content = new Readable({ read() {} });
    const storing = unit.store(field(), attach(content), old);
    storing.catch(() => {});
    await unit.close();
    await expect(storing).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(unit.remove([old])).rejects.toMatchObject({ code: 'CONFLICT' });
    open.commit();
    await unit.settle('committed');
    expect(await files()).toEqual([old.path]);
  });

  test('warns, where nobody wants to be told', async () => {
    open({ on: 'delete', fail: 'STORAGE_UNAVAILABLE' });
    const all = attachments({ onError: undefined });
    const warn = jest.spyOn(process, 'emitWarning').mockReturnValue(undefined);
    const unit = all.begin(transaction());
    await unit.store(field(), attach('x'));
    await unit.settle('rolledBack');
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('unavailable'));
    warn.mockRestore();
  });
});

describe('what is stored', () => {
  test('is of the type that its bytes show', async () => {
    const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
    const all = attachments();
    expect((await save(all, attach(png))).contentType).toBe('image/png');
    expect((await save(all, attach(png, { filename: 'a.txt' }))).contentType).toBe('image/png');
    await expect(save(all, attach(png, { contentType: 'application/pdf' }))).rejects.toMatchObject({
      code: 'CONTENT_TYPE_MISMATCH',
    });
  });

  test('is what processContent makes of it', async () => {
    const processContent = async ({ filename = '' }) => ({ content: 'changed', filename: `new-${filename}` });
    const unit = attachments().begin(transaction());
    const stored = await unit.store(field({ processContent }), attach('x', { filename: 'a.txt' }));
    expect([stored?.filename, stored?.size]).toEqual(['new-a.txt', 7]);
  });

  test('is the uploaded file itself', async () => {
    const all = attachments();
    const info = await depot.create('uploaded', { filename: 'a.txt', metadata: { by: 'me' } });
    const stored = await save(
      all,
      attach({ originalname: 'a.txt', mimetype: 'text/plain', depot: info } as never),
    );
    expect([stored.path, stored.metadata]).toEqual([info.path, { by: 'me' }]);
    const second = await save(all, info as never);
    expect(second.path).not.toBe(info.path);
    expect((await files()).length).toBe(2);
  });

  test('an uploaded file that is refused goes', async () => {
    const info = await depot.create('much too large');
    const unit = attachments().begin(transaction());
    await expect(unit.store(field({ maxSize: 3 }), info as never)).rejects.toMatchObject({
      code: 'FILE_TOO_LARGE',
    });
    expect(await files()).toEqual([]);
  });

  test('an uploaded file that could not be taken over is as it was: it is saved another time', async () => {
    let failures = 1;
    const announce = async (intents: readonly Intent[]) => {
      if (failures-- > 0) throw new Error('not now');
      await inner.announce(intents);
    };
    const all = attachments({ journal: journal({ announce }) });
    const info = await depot.create('uploaded');
    await expect(save(all, attach(info as never))).rejects.toThrow('not now');
    expect(await files()).toEqual([info.path]);
    expect((await save(all, attach(info as never))).path).toBe(info.path);
    await all.idle();
    expect(await files()).toEqual([info.path]);
    expect(await standingIds(inner)).toEqual([]);
  });

  test('an uploaded file that its storage could not find just then is saved another time', async () => {
    const all = attachments();
    const info = await depot.create('uploaded');
    const storage = depot.get();
    const { get } = storage;
    storage.get = async () => {
      storage.get = get;
      throw new Error('not now');
    };
    await expect(save(all, attach(info as never))).rejects.toThrow('not now');
    expect((await save(all, attach(info as never))).path).toBe(info.path);
  });

  test('an uploaded file goes with a rollback', async () => {
    const info = await depot.create('uploaded');
    const unit = attachments().begin(transaction());
    await unit.store(field(), info as never);
    await unit.settle('rolledBack');
    expect(await files()).toEqual([]);
  });

  test('what looks like an uploaded file, and is not, is refused', async () => {
    const info = { ...(await depot.create('somebody else’s')) };
    await expect(save(attachments(), info as never)).rejects.toMatchObject({ code: 'INVALID_CONTENT' });
    await expect(
      save(attachments(), { originalname: 'a', mimetype: 'b/c', depot: info } as never),
    ).rejects.toMatchObject({ code: 'INVALID_CONTENT' });
    expect((await files()).length).toBe(1);
  });

  test('a stream is used once: what was made of it is copied, as long as it is there', async () => {
    const all = attachments();
    const stream = attach(Readable.from(['once']));
    const first = await save(all, stream);
    const second = await save(all, stream);
    expect((await second.buffer()).toString()).toBe('once');
    expect(second.path).not.toBe(first.path);
    await depot.delete(first.path);
    await expect(save(all, stream)).rejects.toMatchObject({ code: 'INVALID_CONTENT' });
  });

  test('a stream that fails fails the save, and whoever wanted it too', async () => {
    const unit = attachments().begin(transaction());
    const stream = Readable.from(
      (async function* () {
        yield 'x';
        throw new Error('broke');
      })(),
    );
    const results = await Promise.allSettled([unit.store(field(), stream), unit.store(field(), stream)]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await files()).toEqual([]);
  });

  test('an attachment in an attachment is the same, with other options', async () => {
    const stored = await save(
      attachments(),
      attach(attach('x', { filename: 'a.txt' }), { filename: 'b.txt' }),
    );
    expect(stored.filename).toBe('b.txt');
  });

  test('nothing of several is, where one is refused', async () => {
    const unit = attachments().begin(transaction());
    const values = [attach('x'), attach('much too large'), attach('y')];
    await expect(unit.storeList(field({ maxSize: 3 }), values)).rejects.toMatchObject({
      code: 'FILE_TOO_LARGE',
    });
    expect(await files()).toEqual([]);
  });
});

describe('recover', () => {
  test('never deletes what a row refers to', async () => {
    const all = attachments({ owner: 'elsewhere.1.2.3', grace: 0 });
    const path = (await depot.create('x')).path;
    referenced.add(path);
    for (const state of ['upload', 'delete'] as const)
      await inner.announce([
        { id: state, state, paths: [path], owner: 'elsewhere.1.2.3', createdAt: new Date(0) },
      ]);
    expect(await all.recover()).toEqual({ intents: 2, deleted: [], failed: [] });
    expect(await files()).toEqual([path]);
    expect(await standingIds(inner)).toEqual([]);
  });

  test('searches no row for a file that was never stored', async () => {
    const { path } = await depot.create('x');
    const paths = [`default/${depot.get().newId()}`, path];
    for (const [id, each] of paths.entries())
      await inner.announce([
        { id: `${id}`, state: 'upload', paths: [each], owner: 'elsewhere.1.2.3', createdAt: new Date(0) },
      ]);
    const searched: string[] = [];
    const isReferenced = async (each: string) => {
      searched.push(each);
      return false;
    };
    expect(await attachments({ isReferenced }).recover()).toEqual({
      intents: 2,
      deleted: [path],
      failed: [],
    });
    expect(searched).toEqual([path]);
    expect(await standingIds(inner)).toEqual([]);
  });

  test('gives those on other machines time', async () => {
    const age = (minutes: number) => new Date(Date.now() - minutes * 60_000);
    const owner = 'elsewhere.1.2.3';
    for (const minutes of [1, 90])
      await inner.announce([
        { id: `${minutes}`, state: 'upload', paths: [], owner, createdAt: age(minutes) },
      ]);
    await attachments().recover();
    expect(await standingIds(inner)).toEqual(['1', '90']);
    await attachments({ grace: 60 * 60_000 }).recover();
    expect(await standingIds(inner)).toEqual(['1']);
  });

  test('tells of files of storages that are gone, and keeps them on record', async () => {
    const intent = { id: '1', state: 'delete', paths: ['gone/x'], owner: 'elsewhere.1.2.3' } as const;
    await inner.announce([{ ...intent, createdAt: new Date(0) }]);
    expect(await attachments().recover()).toEqual({ intents: 1, deleted: [], failed: ['gone/x'] });
    expect(errors).toEqual([expect.objectContaining({ code: 'STORAGE_NOT_FOUND' })]);
    expect(await standingIds(inner)).toEqual(['1']);
  });

  test('of a depot leaves out what is closed', async () => {
    const all = attachments();
    await all.close();
    calls = [];
    expect(await depot.recover()).toEqual({ intents: 0, deleted: [], failed: [] });
    expect(calls).toEqual([]);
  });

  test('goes through many', async () => {
    const intents = Array.from({ length: 250 }, (_intent, index) => ({
      ...{ id: `${index}`, state: 'delete' as const, paths: [`default/file-${index}`] },
      ...{ owner: 'elsewhere.1.2.3', createdAt: new Date(0) },
    }));
    await inner.announce(intents);
    expect((await attachments().recover()).intents).toBe(250);
    expect(await standingIds(inner)).toEqual([]);
  });
});
