import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ROOT } from '../support/consumer-project.js';

const ADAPTERS = readdirSync(join(ROOT, 'lib/attachments/orm'))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.replace(/\.ts$/, ''));

const TESTS = join(ROOT, '__tests__/attachments/orm');

function databasesOf(adapter: string): string[] {
  return adapter === 'mongoose' ? ['MongoDB'] : ['PostgreSQL', 'SQLite'];
}

/** The tests of an adapter: `<adapter>.test.ts` and `<adapter>.<what>.test.ts`. */
function testsOf(adapter: string): string {
  const isTest = (name: string) => name.startsWith(`${adapter}.`) && name.endsWith('.test.ts');
  const names = readdirSync(TESTS).filter(isTest);
  return names.map((name) => readFileSync(join(TESTS, name), 'utf8')).join('\n');
}

describe('every adapter of an ORM', () => {
  test('is found by this test', () => {
    expect(ADAPTERS).toEqual(
      expect.arrayContaining(['drizzle', 'mikro-orm', 'mongoose', 'prisma', 'sequelize', 'typeorm']),
    );
  });

  const cases = ADAPTERS.flatMap((adapter) => databasesOf(adapter).map((database) => [adapter, database]));

  test.each(cases)('%s runs the conformance suite on %s', (adapter = '', database = '') => {
    const suites = [...testsOf(adapter).matchAll(/runAttachmentConformance\(\s*'(\w+) on (\w+)'/g)];
    const found = suites.filter(([, orm]) => orm?.toLowerCase() === adapter.replace('-', ''));
    expect(found.map(([, , name]) => name)).toContain(database);
    expect(testsOf(adapter)).not.toMatch(/\b(?:test|describe)\.only\b/);
  });
});
