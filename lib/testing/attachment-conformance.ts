import { DepotError } from '../errors.js';
import { bulk, cascades } from './attachments/cases/bulk.js';
import { failing } from './attachments/cases/failing.js';
import { killing } from './attachments/cases/killing.js';
import { recovering } from './attachments/cases/recovering.js';
import { lists, saving } from './attachments/cases/saving.js';
import { nested, transactions } from './attachments/cases/transactions.js';
import type { AttachmentConformanceOptions } from './attachments/harness.js';
import { type AttachmentCases, Scene } from './attachments/scene.js';
import type { ConformanceCase } from './storage-conformance.js';
import { withinTime } from './within-time.js';

/** Milliseconds after which a case counts as hanging. */
const DEFAULT_TIMEOUT = 20_000;

/**
 * What every adapter for an ORM must do, as cases for any test runner: the files in the storages are those that rows
 * refer to, whatever happens.
 * ```ts
 * for (const { name, skip, run } of attachmentConformance({ openDatabase, openStorage })) test(name, { skip }, run);
 * ```
 * @throws DepotError `INVALID_OPTION` for the name of a case to skip that does not exist
 */
export function attachmentConformance(options: AttachmentConformanceOptions): ConformanceCase[] {
  const { lists: hasLists = true, nested: isNested = true, cascades: isCascading = true } = options;
  const cases = [
    ...make(options, saving),
    ...make(options, lists, hasLists || 'the model has no lists of attachments'),
    ...make(options, transactions),
    ...make(options, nested, isNested || 'there are no nested transactions'),
    ...make(options, bulk),
    ...make(options, cascades, isCascading || 'the ORM has no cascades of its own'),
    ...make(options, failing),
    ...make(options, killing),
    ...make(options, recovering),
  ];
  for (const name of Object.keys(options.skip ?? {}))
    if (!cases.some((one) => one.name === name))
      throw new DepotError('INVALID_OPTION', `There is no case ${JSON.stringify(name)}`);
  return cases;
}

function make(
  options: AttachmentConformanceOptions,
  cases: AttachmentCases,
  isPossible: true | string = true,
): ConformanceCase[] {
  const missing = isPossible === true ? undefined : isPossible;
  return Object.entries(cases).map(([name, prove]) => ({
    name,
    skip: options.skip?.[name] ?? missing,
    run: () => runCase(prove, options),
  }));
}

/** Whatever a case is about, in the end every file has its row, and every row its files. */
async function runCase(prove: AttachmentCases[string], options: AttachmentConformanceOptions): Promise<void> {
  const scene = await Scene.open(options);
  const proveEven = async () => {
    await prove(scene);
    await scene.assertEven();
  };
  try {
    await withinTime(proveEven(), options.timeout ?? DEFAULT_TIMEOUT);
  } finally {
    await scene.end();
  }
}
