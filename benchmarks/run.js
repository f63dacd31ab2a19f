// @ts-check
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const HERE = import.meta.dirname;

const USAGE = `node benchmarks/run.js [options]
  --only <name>    the scenario of this name, else those with this in their name; may be given several times
  --candidate <text>  only candidates whose name has this in it, beside the first one; may be given several times
  --rounds <n>     rounds of each scenario, each with every candidate once
  --quick          one round of fewer and smaller operations: shows that it runs, not how fast
  --folder <path>  where files are written; must be on a real disk (default: benchmarks/var)
  --list           names the scenarios`;

/** @returns {import('./harness/types.js').Settings & { list: boolean, help: boolean }} */
function readSettings() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true, default: [] },
      candidate: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      folder: { type: 'string', default: join(HERE, 'var') },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { rounds, folder, ...others } = values;
  return { ...others, folder: resolve(folder), rounds: rounds === undefined ? undefined : Number(rounds) };
}

/** The peers are dependencies of this folder alone, installed on first use. */
function installPeers() {
  if (existsSync(join(HERE, 'node_modules'))) return;
  execFileSync('npm', ['ci', '--prefix', HERE], { stdio: 'inherit', shell: process.platform === 'win32' });
}

function requireBuild() {
  if (!existsSync(join(HERE, '../dist/index.js')))
    throw new Error('There is no build: run npm run build first');
}

/** @param {import('./harness/types.js').Settings} settings @param {import('./harness/types.js').Scenario[]} scenarios */
async function run({ folder, quick, rounds }, scenarios) {
  const { measureScenario } = await import('./harness/measure.js');
  const { environment, formatScenario, writeResults } = await import('./harness/report.js');
  console.log(JSON.stringify(environment()));
  const results = [];
  for (const scenario of scenarios) {
    const result = await measureScenario(scenario, {
      folder: join(folder, `${scenario.name}-${process.pid}`),
      rounds: rounds ?? (quick ? 1 : scenario.rounds),
      onRun: () => process.stderr.write('.'),
    });
    results.push(result);
    console.log(formatScenario(result));
  }
  console.log(`\nWritten to ${writeResults(join(HERE, 'results'), results)}`);
}

/** @param {import('./harness/types.js').Settings} settings */
async function selectedScenarios({ only, candidate, quick }) {
  const { allScenarios } = await import('./scenarios/index.js');
  const isWanted = (/** @type {string} */ name, /** @type {readonly string[]} */ texts) =>
    texts.length === 0 || texts.some((text) => name.includes(text));
  const scenarios = allScenarios(quick);
  const names = new Set(scenarios.map(({ name }) => name));
  const isChosen = (/** @type {string} */ name) =>
    only.length === 0 || only.some((text) => (names.has(text) ? name === text : name.includes(text)));
  return scenarios
    .filter(({ name }) => isChosen(name))
    .map((scenario) => {
      const candidates = scenario.candidates.filter(
        ({ name }, index) => index === 0 || isWanted(name, candidate),
      );
      return { ...scenario, candidates };
    });
}

async function main() {
  const settings = readSettings();
  if (settings.help) return console.log(USAGE);
  installPeers();
  const scenarios = await selectedScenarios(settings);
  if (settings.list) return console.log(scenarios.map(({ name, title }) => `${name}: ${title}`).join('\n'));
  requireBuild();
  await run(settings, scenarios);
}

await main();
