/** Does something for each item, at most so many at a time; results are in the order of the items. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  limit: number,
  act: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = new Array(items.length);
  const indexes = items.entries();
  const work = async () => {
    for (const [index, item] of indexes) results[index] = await act(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
  return results;
}

/** Waits for all, also where one has failed: nothing of it is under way any more when the error arrives. */
export async function settleAll<Value>(promises: readonly Value[]): Promise<Awaited<Value>[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
