/** Rows that are asked for one by one in a condition: of those, Prisma and SQLite take some hundred. */
const ROWS_AT_ONCE = 200;

/** Some of all rows. */
export interface Part<Item> {
  /** The position of its first row among all. */
  readonly first: number;
  readonly part: readonly Item[];
}

/** Rows in parts, none of which is too large for a condition. */
export function partsOf<Item>(rows: readonly Item[], size = ROWS_AT_ONCE): Part<Item>[] {
  return Array.from({ length: Math.ceil(rows.length / size) }, (_part, index) => {
    const first = index * size;
    return { first, part: rows.slice(first, first + size) };
  });
}
