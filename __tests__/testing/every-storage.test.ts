import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ROOT } from '../support/consumer-project.js';

const STORAGES = readdirSync(join(ROOT, 'lib/storages'))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.replace(/\.ts$/, ''));

function read(path: string): string {
  return existsSync(join(ROOT, path)) ? readFileSync(join(ROOT, path), 'utf8') : '';
}

describe('every storage', () => {
  test('is found by this test', () => {
    expect(STORAGES).toEqual(expect.arrayContaining(['memory', 'local']));
  });

  test.each(STORAGES)('%s is one class, and its test runs the conformance suite on it', (name) => {
    const [, className] =
      /^export class (\w+) extends (?:File|Object)Storage /m.exec(read(`lib/storages/${name}.ts`)) ?? [];
    expect(className).toMatch(/^\w+Storage$/);
    const source = read(`__tests__/storages/${name}.test.ts`);
    expect(source).toMatch(/^ *runConformance\(/m);
    expect(source).toContain(className);
    expect(source).not.toMatch(/\bskip:|\.(only|skip)\b/);
  });
});
