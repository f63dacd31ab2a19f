// Replaces one file over and over; name, metadata and content tell the same number.
import { LocalStorage } from 'filedepot';

const [storagePath, id, times] = process.argv.slice(2);
const storage = new LocalStorage({ storagePath, durability: 'rename' });

for (let number = 0; number < Number(times); number++) {
  const name = `${process.pid}-${number}`;
  const content = Buffer.alloc(1_000 + Math.floor(Math.random() * 100_000), `${name};`);
  await storage.replace(id, content, { filename: `${name}.txt`, metadata: { name } });
}
