import { expect, test } from '@jest/globals';
import { countCases, formatTable } from '../support/conformance-table.js';

type Assertion = Parameters<typeof countCases>[0] extends Iterable<infer Item> ? Item : never;

function assertion(status: string, ...titles: string[]): Assertion {
  return { status, title: titles.at(-1), ancestorTitles: titles.slice(0, -1) } as Assertion;
}

test('the table counts the cases of each suite, and nothing else', () => {
  const table = formatTable(
    countCases([
      assertion('passed', 'Drizzle on SQLite: attachments', 'create: one'),
      assertion('pending', 'Drizzle on SQLite: attachments', 'create: two (it cannot)'),
      assertion('failed', 'Drizzle', 'Drizzle on PostgreSQL: attachments', 'create: one'),
      assertion('passed', 'Drizzle', 'Drizzle on PostgreSQL: attachments', 'create: two'),
      assertion('pending', 'Mongoose on MongoDB (There is no MongoDB)'),
      assertion('passed', 'Drizzle on SQLite', 'something of its own'),
      assertion('passed', 'another test on SQLite (of another kind)', 'something else'),
    ]),
  );
  expect(table.split('\n')).toEqual([
    'ORM       database    passed  failed  skipped',
    'Drizzle   PostgreSQL       1       1        0',
    'Drizzle   SQLite           1       0        1',
    'Mongoose  MongoDB          0       0        1',
  ]);
});
