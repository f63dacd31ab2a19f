import { describe, expect, test } from '@jest/globals';
import { attach } from '../../lib/attachments/attachment.js';
import { Attachments, type AttachmentsOptions } from '../../lib/attachments/attachments.js';
import { attachmentField } from '../../lib/attachments/field.js';
import type { Intent, IntentJournal } from '../../lib/attachments/journal/journal.js';
import type { UnitOfWork } from '../../lib/attachments/unit-of-work.js';
import type { StorageDirectory } from '../../lib/contract/storage-directory.js';
import { ownerName } from '../../lib/internal/owner.js';
import { MemoryStorage } from '../../lib/storages/memory.js';
import { attachmentConformance } from '../../lib/testing/index.js';
import { type AttachmentsClass, MemoryDatabase, type Statements } from '../support/attachments/memory-orm.js';

/** Milliseconds after which a broken unit of work counts as hanging. */
const PATIENCE = 3_000;

type Options<Transaction> = AttachmentsOptions<Transaction>;

/** What the first case says that broken attachments do not pass. */
async function firstFailure(broken: AttachmentsClass, statements: Statements): Promise<string | undefined> {
  const cases = attachmentConformance({
    openDatabase: async () => new MemoryDatabase(statements, broken),
    openStorage: () => new MemoryStorage(),
    timeout: PATIENCE,
  });
  for (const { name, run } of cases) {
    try {
      await run();
    } catch {
      return name;
    }
  }
  return undefined;
}

type ChangeUnit = (unit: UnitOfWork<unknown>, depot: StorageDirectory) => Partial<UnitOfWork<unknown>>;

/** Units of work that do some things otherwise. */
function unit(change: ChangeUnit): AttachmentsClass {
  return class<Transaction> extends Attachments<Transaction> {
    override begin(transaction?: Transaction): UnitOfWork<Transaction> {
      const unit = super.begin(transaction);
      const original = {
        store: unit.store.bind(unit),
        storeList: unit.storeList.bind(unit),
        remove: unit.remove.bind(unit),
        settle: unit.settle.bind(unit),
        rolledBackInPart: unit.rolledBackInPart.bind(unit),
      };
      return Object.assign(unit, change(original as unknown as UnitOfWork<unknown>, this.depot));
    }
  };
}

/** A journal that does some things otherwise. */
function journal(
  change: (journal: IntentJournal<unknown>) => Partial<IntentJournal<unknown>>,
): AttachmentsClass {
  return configured((options) => {
    const inner = options.journal as IntentJournal<unknown>;
    return { journal: { ...inner, ...change(inner) } };
  });
}

/** Attachments with other options than they are given. */
function configured(change: (options: Options<unknown>) => Partial<Options<unknown>>): AttachmentsClass {
  return class<Transaction> extends Attachments<Transaction> {
    constructor(options: Options<Transaction>) {
      const changed = change(options as Options<unknown>) as Partial<Options<Transaction>>;
      super({ ...options, ...changed });
    }
  };
}

/** Recovery that does something else. */
function recovering(act: () => Promise<void>): AttachmentsClass {
  return class<Transaction> extends Attachments<Transaction> {
    override async recover() {
      await act();
      return { intents: 0, deleted: [], failed: [] };
    }
  };
}

const nothing = async () => {};
const isUpload = ({ state }: Intent) => state === 'upload';

/** One fault each. */
const MUTATIONS: Record<string, AttachmentsClass> = {
  'leaves what was replaced': unit(({ store }) => ({ store: (field, value) => store(field, value) })),
  'leaves what is no more in a list': unit(({ storeList }) => ({
    storeList: (field, values) => storeList(field, values),
  })),
  'leaves the files of a row that is removed': unit(() => ({ remove: nothing })),
  'deletes before the commit': unit(({ store }, depot) => ({
    store: async (field, value, old) => {
      const stored = await store(field, value, old);
      if (old && old.path !== stored?.path) await depot.get(old.depot).delete(old.id);
      return stored;
    },
  })),
  'settles nothing': unit(() => ({ settle: nothing })),
  'takes a rollback for a commit': unit(({ settle }) => ({ settle: () => settle('committed') })),
  'takes a commit for a rollback': unit(({ settle }) => ({ settle: () => settle('rolledBack') })),
  'takes no notice of savepoints': unit(() => ({ rolledBackInPart: () => {} })),
  'keeps a value instead of nothing': unit(({ store }) => ({
    store: async (field, value, old) => (value === null ? (old ?? null) : store(field, value, old)),
  })),
  'shares a file between rows': unit(({ store }) => ({
    store: async (field, value, old) =>
      value && 'isStored' in value && value.isStored ? value : store(field, value, old),
  })),
  'stores again what is not changed': unit(({ store, remove }) => ({
    store: async (field, value, old) => {
      const stored = await store(field, value);
      if (old) await remove([old]);
      return stored;
    },
  })),
  'runs no filters': unit(({ store }) => ({
    store: (field, value, old) => store(attachmentField({ storage: field.storage }), value, old),
  })),
  'has no limit of size': unit(({ store }) => ({
    store: (field, value, old) =>
      store(attachmentField({ storage: field.storage, filters: field.filters }), value, old),
  })),
  'stores in the default storage': unit(({ store }) => ({
    store: (field, value, old) =>
      store(attachmentField({ filters: field.filters, maxSize: field.maxSize }), value, old),
  })),
  "takes a client's JSON": unit(({ store }) => ({
    store: (field, value, old) => {
      const isForged = typeof value === 'string' || (value && 'path' in value && !('key' in value));
      return store(field, isForged ? attach('forged') : value, old);
    },
  })),
  'announces nothing': journal(() => ({ announce: nothing })),
  'keeps nothing': journal(({ record }) => ({
    record: (decisions, transaction) => record({ ...decisions, keep: [] }, transaction),
  })),
  'condemns nothing': journal(({ record, announce }) => ({
    record: (decisions, transaction) => record({ ...decisions, condemn: [] }, transaction),
    announce: (intents) => announce(intents.filter(isUpload)),
  })),
  'says that everything is owed': journal(() => ({ standing: async (intents) => intents })),
  'says that nothing is owed': journal(() => ({ standing: async () => [] })),
  'says that uploads are never owed': journal(({ standing }) => ({
    standing: async (intents) => standing(intents.filter((intent) => !isUpload(intent))),
  })),
  'forgets nothing': journal(() => ({ forget: nothing })),
  'forgets uploads only': journal(({ forget }) => ({
    forget: (intents) => forget(intents.filter(isUpload)),
  })),
  'finds nothing that was left': journal(() => ({
    async *entries() {},
  })),
  'recovers nothing': recovering(nothing),
  'fails to recover': recovering(() => Promise.reject(new Error('no'))),
  'takes the living for dead': configured(() => ({ owner: ownerName(4_194_305) })),
  'takes the dead for living': configured(() => ({ owner: ownerName() })),
  'takes everything for referenced': configured(() => ({ isReferenced: async () => true })),
  'takes nothing for referenced': configured(() => ({ isReferenced: async () => false })),
  'tells nobody of what it cannot delete': configured(() => ({ onError: () => {} })),
  'forgets what it cannot delete': configured(({ depot }) => ({
    depot: {
      resolveAlias: (name) => depot.resolveAlias(name),
      urlFor: (path) => depot.urlFor(path),
      get: (name) => {
        const storage = depot.get(name);
        return Object.assign(Object.create(storage), {
          delete: (id: string) => storage.delete(id).catch(() => {}),
          stage: storage.stage.bind(storage),
          get: storage.get.bind(storage),
          newId: storage.newId.bind(storage),
        });
      },
    },
  })),
};

describe('the conformance suite for attachments', () => {
  test.each(Object.entries(MUTATIONS))('notices attachments that: %s', async (_fault, broken) => {
    const failure = (await firstFailure(broken, 'transactions')) ?? (await firstFailure(broken, 'plain'));
    expect(failure).toBeDefined();
  });
});
