import { AssertionError } from 'node:assert';
import { DepotError } from '../errors.js';
import { aborting } from './conformance/aborting.js';
import { capabilities } from './conformance/capabilities.js';
import { concurrency } from './conformance/concurrency.js';
import { contents } from './conformance/contents.js';
import { creating } from './conformance/creating.js';
import { deleting } from './conformance/deleting.js';
import { failing } from './conformance/failing.js';
import { ids } from './conformance/ids.js';
import { limits } from './conformance/limits.js';
import { listing } from './conformance/listing.js';
import { metadata } from './conformance/metadata.js';
import { names } from './conformance/names.js';
import { ranges } from './conformance/ranges.js';
import { reading } from './conformance/reading.js';
import { replacing } from './conformance/replacing.js';
import { staging } from './conformance/staging.js';
import { type Cases, inOneLine, type OpenStorage, Subject } from './conformance/subject.js';
import { troubled } from './conformance/troubled.js';
import { withinTime } from './within-time.js';

const SECTIONS: readonly Cases[] = [
  creating,
  contents,
  names,
  metadata,
  ids,
  reading,
  ranges,
  staging,
  replacing,
  deleting,
  listing,
  limits,
  aborting,
  failing,
  concurrency,
  capabilities,
];

/** Milliseconds after which a case counts as hanging. */
const DEFAULT_TIMEOUT = 20_000;

export interface StorageConformanceOptions {
  /**
   * Gives a storage that works. Called for each case, sometimes twice; it may give the same storage each time, and
   * files may be in it, but nobody else should store into it while the suite runs.
   */
  readonly openStorage: OpenStorage;
  /** Gives a storage whose backend cannot be reached: a folder that is gone, a port where nobody listens. */
  readonly openUnavailable?: OpenStorage | undefined;
  /** Gives a storage that has no room for 1 MiB. */
  readonly openFull?: OpenStorage | undefined;
  /** Cases to leave out: their names, each with the reason. */
  readonly skip?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds after which a case fails. @default 20000 */
  readonly timeout?: number | undefined;
}

/** One proof. */
export interface ConformanceCase {
  readonly name: string;
  /** Why it is left out, if it is. */
  readonly skip?: string | undefined;
  /** Rejects with an error that names the class, the method and what it must do. */
  readonly run: () => Promise<void>;
}

/**
 * What every storage must do, as cases for any test runner. What a storage can do beyond that is taken from its
 * `capabilities`; a capability that it lacks is tested to be lacking.
 *
 * With `node:test`:
 * ```ts
 * import { test } from 'node:test';
 * import { storageConformance } from 'filedepot/testing';
 *
 * const openStorage = async () => {
 *   const storage = new MyStorage({ bucket: await emptyBucket() });
 *   return { storage, cleanup: () => storage.close() };
 * };
 * for (const { name, skip, run } of storageConformance({ openStorage })) test(name, { skip }, run);
 * ```
 * With jest, or vitest with its globals:
 * ```ts
 * for (const { name, skip, run } of storageConformance({ openStorage })) {
 *   if (skip) test.skip(`${name} (${skip})`, run);
 *   else test(name, run, 30_000);
 * }
 * ```
 * @throws DepotError `INVALID_OPTION` for the name of a case to skip that does not exist
 */
export function storageConformance(options: StorageConformanceOptions): ConformanceCase[] {
  const { openStorage, openUnavailable, openFull, timeout = DEFAULT_TIMEOUT } = options;
  const make = (cases: Cases, open: OpenStorage | undefined, missing?: string) =>
    Object.entries(cases).map(([name, prove]) => ({
      name,
      skip: options.skip?.[name] ?? (open ? undefined : missing),
      run: async () => {
        if (open) await runCase(name, prove, open, timeout);
      },
    }));
  const cases = [
    ...SECTIONS.flatMap((section) => make(section, openStorage)),
    ...make(troubled.unavailable, openUnavailable, 'no storage that cannot be reached was given'),
    ...make(troubled.full, openFull, 'no storage that is full was given'),
  ];
  assertNames(cases, Object.keys(options.skip ?? {}));
  return cases;
}

function assertNames(cases: readonly ConformanceCase[], names: readonly string[]): void {
  const unknown = names.filter((name) => !cases.some((each) => each.name === name));
  if (unknown.length > 0)
    throw new DepotError('INVALID_OPTION', `There is no case ${JSON.stringify(unknown[0])}`);
}

async function runCase(
  name: string,
  prove: Cases[string],
  open: OpenStorage,
  timeout: number,
): Promise<void> {
  const subject = await Subject.open(open);
  try {
    await withinTime(prove(subject), timeout);
    await subject.assertNoLeftovers();
  } catch (error) {
    throw named(error, `${subject.className}, ${name}`);
  } finally {
    await subject.end();
  }
}

/** Assertions say whom they accuse; any other error is told so here. */
function named(error: unknown, where: string): unknown {
  if (error instanceof AssertionError) return error;
  return new Error(`${where}: ${inOneLine(error)}`, { cause: error });
}
