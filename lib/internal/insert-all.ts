/** What is used of a collection of MongoDB, whichever driver brings it. */
interface Insertable<Document, Options> {
  insertOne(document: Document, options: Options): Promise<unknown>;
  insertMany(documents: readonly Document[], options: Options): Promise<unknown>;
}

/** Inserts documents into a collection of MongoDB. A bulk of one costs more than the one. */
export async function insertAll<Document, Options>(
  collection: Insertable<Document, Options>,
  documents: readonly Document[],
  options: Options,
): Promise<void> {
  const [only] = documents;
  if (only !== undefined && documents.length === 1) await collection.insertOne(only, options);
  else if (only !== undefined) await collection.insertMany(documents, options);
}
