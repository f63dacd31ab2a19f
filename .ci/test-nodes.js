// @ts-check
// Runs the tests on further versions of Node, from their binary packages; parameters are passed on to jest.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

const VERSIONS = ['22', '24'];

const ROOT = resolve(import.meta.dirname, '..');
const CACHE = join(ROOT, '.cache/nodes');

/**
 * The folder of the binary of a version, installed if it is not there.
 * @param {string} version
 */
function installNode(version) {
  const folder = join(CACHE, version);
  const bin = join(folder, 'node_modules/node/bin');
  if (isVersion(bin, version)) return bin;
  mkdirSync(folder, { recursive: true });
  const options = ['--no-save', '--no-package-lock', '--foreground-scripts'];
  execFileSync('npm', ['install', ...options, '--prefix', folder, `node@${version}`], { stdio: 'inherit' });
  if (!isVersion(bin, version)) throw new Error(`The package node@${version} has no binary that runs here`);
  return bin;
}

/**
 * @param {string} bin
 * @param {string} version
 */
function isVersion(bin, version) {
  const { stdout } = spawnSync(join(bin, 'node'), ['--version'], { encoding: 'utf8' });
  return stdout?.startsWith(`v${version}.`) ?? false;
}

/**
 * Whether the tests pass; programs that they start find the same version.
 * @param {string} bin
 */
function runTests(bin) {
  const jest = join(ROOT, 'node_modules/jest/bin/jest.js');
  const parameters = ['--experimental-vm-modules', jest, ...process.argv.slice(2)];
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  return spawnSync(join(bin, 'node'), parameters, { cwd: ROOT, env, stdio: 'inherit' }).status === 0;
}

/** @param {string} version */
function testOn(version) {
  try {
    const bin = installNode(version);
    console.log(`\nTests on Node ${version}`);
    return runTests(bin);
  } catch (error) {
    console.error(`\nSKIPPED: the tests on Node ${version}, which cannot be had: ${error}`);
    return process.env.CI !== 'true';
  }
}

const passed = VERSIONS.map(testOn);
process.exitCode = passed.every(Boolean) ? 0 : 1;
