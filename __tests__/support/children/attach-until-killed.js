// Creates, changes and deletes rows with attachments until it is killed, by itself and in transactions, and says what it
// begins and what it was promised, a JSON line each: of each row the digests of what it may hold, null for no row.
import { createHash, randomBytes, randomInt, randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { attach, DepotManager, LocalStorage } from 'filedepot';
import { useAttachments } from 'filedepot/mongoose';
import mongoose from 'mongoose';

const [url = '', dbName = '', storagePath = ''] = process.argv.slice(2);

/** Synchronous, so that the line is out before anything else happens. */
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);

const depot = new DepotManager();
depot.configure('default', new LocalStorage({ storagePath, durability: 'rename' }));
const connection = await mongoose.createConnection(url, { dbName }).asPromise();
const { attachment } = useAttachments(connection, { depot });
const thumb = { apply: async ({ addFile }) => void (await addFile('thumb', 'thumb')) };
const Item = connection.model(
  'Item',
  mongoose.Schema.create({ name: String, photo: attachment({ filters: [thumb] }) }),
);

const names = [];

function content() {
  const bytes = randomBytes(randomInt(1, 20_000));
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** What is done to one row: a change of `{ [name]: digest }`, and how. */
function randomChange() {
  const name = names[randomInt(names.length + 1)];
  const { bytes, sha256 } = content();
  if (name === undefined) return creation(randomUUID(), bytes, sha256);
  return Math.random() < 0.3 ? removal(name) : replacement(name, bytes, sha256);
}

function creation(name, bytes, sha256) {
  const act = async (session) => {
    await Item.create([{ name, photo: attach(bytes) }], { session });
  };
  return { name, to: sha256, act };
}

function removal(name) {
  return { name, to: null, act: (session) => Item.deleteOne({ name }, { session }) };
}

function replacement(name, bytes, sha256) {
  const act = async (session) => {
    const item = await Item.findOne({ name }).session(session).orFail();
    item.photo = attach(bytes);
    await item.save();
  };
  return { name, to: sha256, act };
}

/** Different rows, so that each has one new state. */
function randomChanges() {
  const changes = Array.from({ length: randomInt(1, 4) }, randomChange);
  return [...new Map(changes.map((change) => [change.name, change])).values()];
}

class Undone extends Error {}

async function carryOut(changes, isUndone) {
  if (changes.length === 1 && !isUndone) return changes[0].act(null);
  return connection.transaction(async (session) => {
    for (const { act } of changes) await act(session);
    if (isUndone) throw new Undone();
  });
}

for (;;) {
  const changes = randomChanges();
  const isUndone = Math.random() < 0.3;
  const states = Object.fromEntries(changes.map(({ name, to }) => [name, to]));
  if (!isUndone) say({ event: 'begun', states });
  await carryOut(changes, isUndone).catch((error) => {
    if (!(error instanceof Undone)) throw error;
  });
  if (isUndone) continue;
  say({ event: 'kept', states });
  for (const { name, to } of changes) {
    const index = names.indexOf(name);
    if (to === null) names.splice(index, 1);
    else if (index < 0) names.push(name);
  }
}
