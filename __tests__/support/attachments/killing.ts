import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { AttachmentData } from '../../../lib/attachments/attachment.js';
import type { Intent } from '../../../lib/attachments/journal/journal.js';
import { LocalStorage } from '../../../lib/storages/local.js';

/** Kills in a run of the tests; `DEPOT_TEST_KILLS` has it run longer. */
const KILLS = Number(process.env.DEPOT_TEST_KILLS ?? 12);

/** After so many, all is recovered and checked: what is lost would be replaced by and by. */
const KILLS_BEFORE_CHECK = 12;

/** Recoveries until nothing is owed: what processes have sent before their death may arrive after it. */
const MAX_RECOVERIES = 5;

/** Processes that use the database at once. */
const SLOTS = ['a', 'b', 'c'];

/** A process is killed when it was promised so many changes at random, at most. */
const MAX_PROMISES = 12;

/** Milliseconds, at most, that pass then. */
const MAX_DELAY = 25;

/** One of so many processes is killed at a random moment within its first milliseconds: it starts and recovers. */
const EARLY = { oneOf: 6, within: 1500 };

/** Rows that all processes replace; made by `openDatabase`, without content. */
export const SHARED_ROWS = ['shared 0', 'shared 1'];

/** A row of `documents`, as it is stored. */
export interface KilledRow {
  readonly name: string;
  readonly content: AttachmentData | null;
  readonly photo: AttachmentData | null;
}

export interface KillingOptions {
  /** Name of a script in children/attachments. */
  readonly script: string;
  /** Of the database. */
  readonly address: string;
  /** An empty folder for a local storage. */
  readonly storagePath: string;
  /** The rows, read past every adapter. */
  rows(): Promise<readonly KilledRow[]>;
  /** The journal, read by one of its own. */
  intents(): Promise<readonly Intent[]>;
}

/** What was seen, for who wants to know. */
export interface KillingReport {
  readonly kills: number;
  /** Changes of rows that were acknowledged. */
  readonly promises: number;
  /** Changes that failed, e.g. because others held a lock for too long. */
  readonly failures: readonly string[];
  /** Rows in the end. */
  readonly rows: number;
}

interface Line {
  readonly event: 'begun' | 'kept' | 'failed';
  /** Of the contents by the names of the rows; null for a row that is gone. */
  readonly hashes: Readonly<Record<string, string | null>>;
  readonly reason: string;
}

/** Hears what processes begin and are promised, and knows what rows may hold. */
class Witness {
  /** What was promised last, or was under way after that; of what is shared, all that was ever under way. */
  readonly #allowed = new Map<string, Set<string | null>>();
  readonly failures: string[] = [];
  promises = 0;

  hear({ event, hashes, reason }: Line): void {
    if (event === 'failed') this.failures.push(reason);
    else for (const [name, hash] of Object.entries(hashes)) this.#note(event, name, hash);
  }

  /** All that was promised is there, and nothing else. */
  check(held: ReadonlyMap<string, string | null>): void {
    const wrong = [...this.#allowed].filter(([name, hashes]) => !hashes.has(held.get(name) ?? null));
    expect(wrong).toEqual([]);
    expect(
      [...held.keys()].filter((name) => !this.#allowed.has(name) && !SHARED_ROWS.includes(name)),
    ).toEqual([]);
  }

  #note(event: Line['event'], name: string, hash: string | null): void {
    const isShared = SHARED_ROWS.includes(name);
    const before = this.#allowed.get(name) ?? [null];
    const keepsBefore = event === 'begun' || isShared;
    this.#allowed.set(name, new Set(keepsBefore ? [...before, hash] : [hash]));
    if (event === 'kept') this.promises += 1;
  }
}

/**
 * Lets several processes use one database and one storage, kills each at random moments and starts another one in its
 * place; recovers, and checks that files and rows are even, and that nothing is lost that was promised.
 */
export async function killAtRandom(options: KillingOptions): Promise<KillingReport> {
  const witness = new Witness();
  let kills = 0;
  let rows: readonly KilledRow[] = [];
  while (kills < KILLS) {
    const until = Math.min(kills + KILLS_BEFORE_CHECK, KILLS);
    const killOften = async (slot: string) => {
      while (kills < until) {
        kills += 1;
        await liveAndDie(options, slot, witness);
      }
    };
    await Promise.all(SLOTS.map(killOften));
    await recoverAll(options);
    rows = await options.rows();
    witness.check(new Map(rows.map(({ name, content }) => [name, content?.sha256 ?? null])));
    await checkFiles(options, rows);
  }
  return { kills, promises: witness.promises, failures: witness.failures, rows: rows.length };
}

/** One process from its start to its end; its last words are heard before the next one begins. */
async function liveAndDie(options: KillingOptions, slot: string, witness: Witness): Promise<void> {
  const child = start(options, slot);
  const closed = once(child, 'close');
  const kill = (milliseconds: number) => {
    delay(milliseconds * Math.random()).then(() => child.kill('SIGKILL'));
  };
  if (Math.random() * EARLY.oneOf < 1) kill(EARLY.within);
  let left = Math.ceil(Math.random() * MAX_PROMISES);
  for await (const text of createInterface({ input: child.stdout })) {
    const line: Line = JSON.parse(text);
    witness.hear(line);
    if (line.event === 'kept' && --left === 0) kill(MAX_DELAY);
  }
  const [code, signal] = await closed;
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' });
}

async function recoverAll(options: KillingOptions): Promise<void> {
  let recoveries = 0;
  do await Promise.all([recover(options), recover(options)]);
  while ((await options.intents()).length > 0 && ++recoveries < MAX_RECOVERIES);
  expect(await options.intents()).toEqual([]);
}

async function recover(options: KillingOptions): Promise<void> {
  const [code] = await once(start(options), 'exit');
  expect(code).toBe(0);
}

function start(
  { script, address, storagePath }: KillingOptions,
  ...slot: readonly string[]
): ChildProcessByStdio<null, Readable, null> {
  const path = join(import.meta.dirname, '../children/attachments', script);
  return spawn(process.execPath, [path, address, storagePath, ...slot], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Stored is what rows refer to, no more and no less, with the content that they say. */
async function checkFiles({ storagePath }: KillingOptions, rows: readonly KilledRow[]): Promise<void> {
  const storage = new LocalStorage({ storagePath });
  const attachments = rows.flatMap(({ content, photo }) => [content, photo]).filter((one) => one !== null);
  const files = await Readable.from(storage.list()).toArray();
  expect(files.map((id) => `files/${id}`).sort()).toEqual(attachments.flatMap((one) => one.files).sort());
  for (const { id, sha256 } of attachments) {
    const content = Buffer.concat(await (await storage.get(id)).stream().toArray());
    expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
  }
  await storage.close();
}
