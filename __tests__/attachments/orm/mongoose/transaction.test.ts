import { expect, test } from '@jest/globals';
import type { ClientSession, mongo } from 'mongoose';
import type { Note } from '../../../../lib/attachments/orm/mongoose/notes.js';
import { MongoTransaction } from '../../../../lib/attachments/orm/mongoose/transaction.js';

/** More than a function can have arguments. */
const VERY_MANY = 200_000;

test('writes what it was told in one statement, however much that is', async () => {
  const written: (readonly Note[])[] = [];
  const insertMany = async (notes: readonly Note[]) => written.push(notes);
  const collection = { insertMany } as unknown as mongo.Collection<Note>;
  const note = (_id: string): Note => ({ _id, state: 'kept', paths: [], createdAt: new Date(0) });
  const transaction = new MongoTransaction({} as ClientSession);
  transaction.add(collection, [note('first')], new Map());
  const marks = Array.from({ length: VERY_MANY }, (_, number) => note(`${number}`));
  transaction.add(collection, marks, new Map());
  await transaction.write();
  expect(written.map(({ length }) => length)).toEqual([VERY_MANY + 1]);
});
