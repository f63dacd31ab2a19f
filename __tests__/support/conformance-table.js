// @ts-check
// A reporter for jest: how the adapters of ORMs did in the conformance suite, on each of their databases.

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */
/** @typedef {import('@jest/reporters').AggregatedResult['testResults'][number]['testResults'][number]} Assertion */

/** The title that `runAttachmentConformance` gives, and that of a suite that could not be run. */
const SUITE = /^(?<orm>\w+) on (?<database>PostgreSQL|SQLite|MongoDB)(?:: attachments$| \()/;

const COLUMNS = ['ORM', 'database', 'passed', 'failed', 'skipped'];

/** @param {Assertion} assertion */
function suiteOf({ ancestorTitles, title }) {
  const titles = ancestorTitles.length > 0 ? ancestorTitles : [title];
  return titles.map((one) => SUITE.exec(one)?.groups).find((groups) => groups !== undefined);
}

/** @param {Iterable<Assertion>} assertions @returns {Map<string, Counts>} by ORM and database */
export function countCases(assertions) {
  const suites = new Map();
  for (const assertion of assertions) {
    const suite = suiteOf(assertion);
    if (!suite) continue;
    const name = `${suite.orm}\t${suite.database}`;
    const counts = suites.get(name) ?? { passed: 0, failed: 0, skipped: 0 };
    const { status } = assertion;
    const column = status === 'passed' || status === 'failed' ? status : 'skipped';
    suites.set(name, { ...counts, [column]: counts[column] + 1 });
  }
  return suites;
}

/** @param {ReadonlyMap<string, Counts>} suites @returns {string} */
export function formatTable(suites) {
  const rows = [...suites].sort(([one], [other]) => (one < other ? -1 : 1));
  const cells = rows.map(([name, counts]) => [...name.split('\t'), ...Object.values(counts).map(String)]);
  const table = [COLUMNS, ...cells];
  const widths = COLUMNS.map((_title, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const line = (/** @type {readonly string[]} */ row) =>
    row
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ');
  return table.map(line).join('\n');
}

export default class ConformanceTable {
  /** @param {unknown} _contexts @param {import('@jest/reporters').AggregatedResult} results */
  onRunComplete(_contexts, { testResults }) {
    const suites = countCases(testResults.flatMap((file) => file.testResults));
    if (suites.size > 0) console.log(`\nConformance of attachments\n${formatTable(suites)}`);
  }
}
