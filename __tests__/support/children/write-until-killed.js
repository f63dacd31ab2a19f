// Creates and replaces files until it is killed, and says what it begins and what it was promised, a JSON line each.
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { writeSync } from 'node:fs';
import { LocalStorage } from 'filedepot';

const [storagePath, durability] = process.argv.slice(2);
const storage = new LocalStorage({ storagePath, durability });
const ids = [];

/** Synchronous, so that the line is out before anything else happens. */
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);

async function write(act, id, begin) {
  const content = randomBytes(randomInt(1, 300_000));
  const sha256 = createHash('sha256').update(content).digest('hex');
  say({ event: 'begun', act, id, sha256 });
  const stored = await begin(content, { filename: `${sha256}.bin`, metadata: { sha256 } });
  say({ event: 'kept', act, id: stored, sha256 });
  return stored;
}

for (;;) {
  const id = ids.length > 3 && Math.random() < 0.6 ? ids[randomInt(ids.length)] : undefined;
  if (id) await write('replace', id, (content, options) => storage.replace(id, content, options));
  else ids.push(await write('create', undefined, (content, options) => storage.create(content, options)));
}
