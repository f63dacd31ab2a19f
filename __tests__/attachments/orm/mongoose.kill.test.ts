import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import mongoose, { type Connection, Schema } from 'mongoose';
import { type MongooseAttachments, useAttachments } from '../../../lib/attachments/orm/mongoose.js';
import { DepotManager } from '../../../lib/depot/manager.js';
import { LocalStorage } from '../../../lib/storages/local.js';
import { removeFolder } from '../../support/folders.js';
import { describeWith, startMongoServer } from '../../support/servers/index.js';

/** More of them: `DEPOT_TEST_KILLS=300`. */
const ROUNDS = Number(process.env.DEPOT_TEST_KILLS ?? 4);
const PROCESSES = 3;
const ACTS_BEFORE_DEATH = 6;
const CHILD = join(import.meta.dirname, '../../support/children/attach-until-killed.js');

interface Line {
  readonly event: 'begun' | 'kept';
  /** Digests of what rows hold then, by the rows' names; null for no row. */
  readonly states: Readonly<Record<string, string | null>>;
}

/** What each row may hold: what was promised last, or what was under way after that. */
class Allowed {
  readonly #states = new Map<string, Set<string | null>>();

  note({ event, states }: Line): void {
    for (const [name, state] of Object.entries(states)) {
      if (event === 'kept') this.#states.set(name, new Set([state]));
      else this.#states.set(name, new Set([...(this.#states.get(name) ?? [null]), state]));
    }
  }

  check(found: ReadonlyMap<string, string>): void {
    for (const [name, states] of this.#states) expect(states).toContain(found.get(name) ?? null);
    for (const name of found.keys()) expect(this.#states.has(name)).toBe(true);
  }
}

await describeWith('mongoose, killed', [startMongoServer], (server) => {
  let storagePath: string;
  let dbName: string;
  let connection: Connection;
  let storage: LocalStorage;
  let attachments: MongooseAttachments;

  beforeEach(async () => {
    storagePath = await mkdtemp(join(tmpdir(), 'filedepot-kill-'));
    dbName = `killed-${randomUUID()}`;
    connection = await mongoose.createConnection(server.url, { dbName }).asPromise();
    storage = new LocalStorage({ storagePath });
    const depot = new DepotManager();
    depot.configure('default', storage);
    attachments = useAttachments(connection, { depot });
    // What a dead process has left open, the server ends after this time.
    await connection.db?.admin().command({ setParameter: 1, transactionLifetimeLimitSeconds: 3 });
  });

  afterEach(async () => {
    await attachments.close();
    await connection.dropDatabase();
    await connection.close();
    await removeFolder(storagePath);
  });

  const schema = () => Schema.create({ name: String, photo: attachments.attachment() });

  /** Lets a process work, and kills it at a random moment after some acts were acknowledged. */
  async function workAndKill(allowed: Allowed): Promise<void> {
    const child = spawn(process.execPath, [CHILD, server.url, dbName, storagePath], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    let kept = 0;
    for await (const text of createInterface({
      input: child.stdout as NonNullable<ChildProcess['stdout']>,
    })) {
      const line: Line = JSON.parse(text);
      allowed.note(line);
      if (line.event === 'kept' && ++kept === ACTS_BEFORE_DEATH)
        delay(Math.random() * 60).then(() => child.kill('SIGKILL'));
    }
    const [code, signal] = await exited;
    expect([code, signal]).toEqual([null, 'SIGKILL']);
  }

  const intents = () =>
    connection
      .collection('depot_intents')
      .find({ state: { $in: ['upload', 'delete'] } })
      .toArray();

  /** What processes have sent before their death may arrive after it. */
  async function recoverAll(): Promise<void> {
    let tries = 0;
    do expect((await attachments.recover()).failed).toEqual([]);
    while ((await intents()).length > 0 && ++tries < 5);
  }

  async function filesThere(): Promise<string[]> {
    const paths: string[] = [];
    for await (const id of storage.list()) paths.push(`default/${id}`);
    return paths.sort();
  }

  test(
    `${ROUNDS} times ${PROCESSES} processes: files are those of the rows, and nothing that was acknowledged is lost`,
    async () => {
      const Item = connection.model('Item', schema());
      const allowed = new Allowed();
      for (let round = 0; round < ROUNDS; round++) {
        const dead = Array.from({ length: PROCESSES }, () => workAndKill(allowed));
        await Promise.race(dead);
        await attachments.recover(); // what lives is left alone
        await Promise.all(dead);
        await recoverAll();

        const items = await Item.find();
        const referenced = items.flatMap(({ photo }) => photo?.files ?? []);
        expect(await filesThere()).toEqual(referenced.sort());
        const found = new Map<string, string>();
        for (const { name, photo } of items) {
          const content = (await photo?.buffer()) ?? '';
          found.set(name ?? '', createHash('sha256').update(content).digest('hex'));
        }
        allowed.check(found);
        expect(await intents()).toEqual([]);
      }
    },
    60_000 + ROUNDS * 30_000,
  );
});
