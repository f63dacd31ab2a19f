// @ts-check
// Saves, changes and deletes rows with attachments until it is killed, and says what it begins and what it was promised,
// a JSON line each.
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { writeSync } from 'node:fs';
import { DepotManager } from 'filedepot';

/**
 * Content of a row's attachment `content`, or null for a row that is to be gone. `photo` has the same content.
 * @typedef {Readonly<Record<string, Buffer | null>>} Changes by the names of the rows
 */

/**
 * What an ORM does, outside of a transaction or in one.
 * @typedef {object} Rows
 * @property {(name: string, values: { content: Buffer, photo: Buffer }) => Promise<unknown>} create
 * @property {(name: string, values: { content: Buffer, photo?: Buffer }) => Promise<unknown>} update
 * @property {(name: string) => Promise<unknown>} remove
 */

/**
 * @typedef {Rows & {
 *   transaction(act: (rows: Rows) => Promise<void>): Promise<unknown>,
 *   names(prefix: string): Promise<string[]>,
 *   recover(): Promise<unknown>,
 * }} Database
 */

/** Acts that are under way at once, each on rows of its own. */
const WORKERS = 3;

/** Rows of a worker, at most. */
const MAX_ROWS = 6;

/** Rows that are everybody's; the parent makes them. */
const SHARED = ['shared 0', 'shared 1'];

/** Stands for a thumbnail. */
export const photoField = {
  filters: [
    {
      /** @param {import('filedepot').FilterContext} context */
      async apply({ source, addFile }) {
        const content = await source.buffer();
        await addFile('thumb', content.subarray(0, content.length / 2), { filename: 'thumb.bin' });
      },
    },
  ],
};

/** Synchronous, so that the line is out before anything else happens. @param {object} line */
function say(line) {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

/** @param {Changes} changes */
function hashesOf(changes) {
  const hash = (/** @type {Buffer | null} */ content) =>
    content && createHash('sha256').update(content).digest('hex');
  return Object.fromEntries(Object.entries(changes).map(([name, content]) => [name, hash(content)]));
}

/** @returns {Buffer} */
function newContent() {
  return randomBytes(randomInt(1, 20_000));
}

/** What one worker does with its rows. */
class Worker {
  #database;
  #prefix;
  /** @type {Set<string>} */
  #names;
  #count = 0;

  /** @param {Database} database @param {string} prefix of its rows @param {readonly string[]} names that are there already */
  constructor(database, prefix, names) {
    this.#database = database;
    this.#prefix = `${prefix}${process.pid}.`;
    this.#names = new Set(names);
  }

  async run() {
    for (;;) await this.#act();
  }

  async #act() {
    const [kind] = pick([
      ['create', 3],
      ['replace', 3],
      ['remove', this.#names.size > MAX_ROWS ? 9 : 1],
      ['shared', 1],
      ['commit', 4],
      ['rollback', 3],
    ]);
    if (kind === 'create') await this.#promised({ [this.#newName()]: newContent() });
    if (kind === 'replace') await this.#promised(this.#some(newContent));
    if (kind === 'remove') await this.#promised(this.#some(() => null));
    if (kind === 'shared') await this.#promised({ [SHARED[randomInt(SHARED.length)] ?? '']: newContent() });
    if (kind === 'commit') await this.#promised(this.#several(), true);
    if (kind === 'rollback') await this.#undone(this.#several());
  }

  /** @param {Changes} changes @param {boolean} [inTransaction] */
  async #promised(changes, inTransaction = false) {
    const hashes = hashesOf(changes);
    say({ event: 'begun', hashes });
    try {
      const act = (/** @type {Rows} */ rows) => this.#apply(rows, changes);
      await (inTransaction ? this.#database.transaction(act) : act(this.#database));
    } catch (error) {
      // Nothing was promised; the row may be taken by others.
      say({ event: 'failed', reason: String(error) });
      return;
    }
    say({ event: 'kept', hashes });
    for (const [name, content] of Object.entries(changes)) {
      if (content === null) this.#names.delete(name);
      else if (!SHARED.includes(name)) this.#names.add(name);
    }
  }

  /** @param {Changes} changes */
  async #undone(changes) {
    const undo = new Error('undone');
    try {
      await this.#database.transaction(async (rows) => {
        await this.#apply(rows, changes);
        throw undo;
      });
    } catch (error) {
      if (error !== undo) say({ event: 'failed', reason: String(error) });
      return;
    }
    throw new Error('A transaction must fail with what its act throws');
  }

  /** @param {Rows} rows @param {Changes} changes */
  async #apply(rows, changes) {
    for (const [name, content] of Object.entries(changes)) {
      if (content === null) await rows.remove(name);
      else if (this.#names.has(name)) await rows.update(name, { content, photo: content });
      else if (SHARED.includes(name)) await rows.update(name, { content });
      else await rows.create(name, { content, photo: content });
    }
  }

  /** @param {() => Buffer | null} change @returns {Changes} */
  #some(change) {
    const names = [...this.#names];
    const name = names[randomInt(Math.max(names.length, 1))];
    return name === undefined ? { [this.#newName()]: newContent() } : { [name]: change() };
  }

  /** @returns {Changes} */
  #several() {
    return { ...this.#some(newContent), ...this.#some(() => null), [this.#newName()]: newContent() };
  }

  #newName() {
    this.#count += 1;
    return `${this.#prefix}${this.#count}`;
  }
}

/** @param {readonly [string, number][]} weighted @returns {readonly [string, number]} */
function pick(weighted) {
  const total = weighted.reduce((sum, [, weight]) => sum + weight, 0);
  let left = randomInt(total);
  return (
    weighted.find(([, weight]) => {
      left -= weight;
      return left < 0;
    }) ?? ['create', 0]
  );
}

/**
 * Recovers what others have left, as an application does that starts, and then acts, or ends if it has no slot.
 * @param {(address: string, depot: DepotManager) => Promise<Database>} open
 */
export async function actUntilKilled(open) {
  const [address = '', storagePath = '', slot] = process.argv.slice(2);
  const depot = new DepotManager();
  depot.configure('files', { backend: 'local', storagePath, durability: 'rename' });
  const database = await open(address, depot);
  await database.recover();
  if (slot === undefined) process.exit();
  const start = async (/** @type {number} */ number) => {
    const prefix = `${slot}.${number}.`;
    await new Worker(database, prefix, await database.names(prefix)).run();
  };
  await Promise.all(Array.from({ length: WORKERS }, (_worker, number) => start(number)));
}
