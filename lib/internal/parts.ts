/** Some of all items. */
export interface Part<Item> {
  /** The position of its first item among all. */
  readonly first: number;
  readonly part: readonly Item[];
}

/** Items in parts of at most so many: no statement takes any number of them. */
export function partsOf<Item>(items: readonly Item[], size: number): Part<Item>[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_part, index) => {
    const first = index * size;
    return { first, part: items.slice(first, first + size) };
  });
}
