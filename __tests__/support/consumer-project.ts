import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { removeFolder } from './folders.js';

export const ROOT = resolve(import.meta.dirname, '../..');

const run = promisify(execFile);

interface Dependencies {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** The package's own package.json. */
export interface Manifest extends Dependencies {
  readonly name: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly files: readonly string[];
}

/** What a command said. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

export async function readJson<Value>(path: string): Promise<Value> {
  return JSON.parse(await readFile(join(ROOT, path), 'utf8'));
}

/** Peers that come with the package: npm installs them. */
export function requiredPeers({ peerDependencies = {}, peerDependenciesMeta = {} }: Dependencies): string[] {
  return Object.keys(peerDependencies).filter((name) => !peerDependenciesMeta[name]?.optional);
}

/**
 * An empty project that installed the package: its tarball as npm packs it from the sources of this moment, what it
 * depends on, and nothing else. Nothing is fetched: the dependencies are copies of ours.
 */
export class ConsumerProject {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<ConsumerProject> {
    const project = new ConsumerProject(await mkdtemp(join(tmpdir(), 'filedepot-consumer-')));
    await project.write('package.json', JSON.stringify({ name: 'consumer', private: true }));
    await project.#unpack(await packPackage(join(project.folder, 'source')));
    for (const path of await runtimePackages()) await project.#copyPackage(path);
    return project;
  }

  /** Installs the optional peers too, as far as the tests have them, and what is of the same scope. */
  async addOptionalPeers(): Promise<void> {
    const { peerDependenciesMeta = {} } = await readJson<Manifest>('package.json');
    const names = Object.keys(peerDependenciesMeta).map((name) => name.replace(/\/.*/, ''));
    for (const name of new Set(names)) {
      await symlink(join(ROOT, 'node_modules', name), join(this.folder, 'node_modules', name));
    }
  }

  /** Writes a file of the project. */
  async write(path: string, text: string): Promise<string> {
    const target = join(this.folder, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, text);
    return target;
  }

  /** Runs Node in the project; fails with what it printed if it fails. */
  node(...parameters: string[]): Promise<Output> {
    return run(process.execPath, parameters, { cwd: this.folder });
  }

  /** The complaints of the compiler about files of the project. */
  async typeErrors(options: object, include: readonly string[]): Promise<string> {
    const compilerOptions = { noEmit: true, target: 'ES2023', module: 'node20', types: ['node'], ...options };
    const config = await this.write('tsconfig.json', JSON.stringify({ compilerOptions, include }));
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    return this.node(compiler, '--pretty', 'false', '-p', config).then(
      () => '',
      (failure: Output) => failure.stdout || failure.stderr,
    );
  }

  async remove(): Promise<void> {
    await removeFolder(this.folder);
  }

  async #unpack(tarball: string): Promise<void> {
    const target = join(this.folder, 'node_modules/filedepot');
    await mkdir(target, { recursive: true });
    await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', target]);
  }

  async #copyPackage(path: string): Promise<void> {
    const isOwn = (source: string) => source === join(ROOT, path) || !source.endsWith('/node_modules');
    await cp(join(ROOT, path), join(this.folder, path), { recursive: true, filter: isOwn });
  }
}

/** Builds the package in a folder of its own and packs it; gives the tarball's path. */
async function packPackage(folder: string): Promise<string> {
  await mkdir(folder);
  const { files } = await readJson<Manifest>('package.json');
  // Of `docs/*.md` the folder: npm takes from it what it is to have.
  const sources = new Set(
    files.map((pattern) => pattern.split('/')[0] ?? '').filter((name) => name !== 'dist'),
  );
  for (const name of ['package.json', 'README.md', 'LICENSE', ...sources]) {
    await cp(join(ROOT, name), join(folder, name), { recursive: true });
  }
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const build = join(ROOT, 'tsconfig.build.json');
  await run(process.execPath, [compiler, '-p', build, '--outDir', join(folder, 'dist')]);
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json'], { cwd: folder });
  return join(folder, JSON.parse(stdout)[0].filename);
}

/** Where the packages lie that the package needs at run time, e.g. `node_modules/multer`. */
async function runtimePackages(): Promise<Set<string>> {
  const { packages } = await readJson<{ packages: Record<string, Dependencies> }>('package-lock.json');
  const found = new Set<string>();
  const visit = (path: string) => {
    const manifest = packages[path] ?? {};
    for (const name of [...Object.keys(manifest.dependencies ?? {}), ...requiredPeers(manifest)]) {
      const dependency = locate(packages, name, path);
      if (found.has(dependency)) continue;
      found.add(dependency);
      visit(dependency);
    }
  };
  visit('');
  return found;
}

/** Where a package finds another one: beside its own, or in a folder above. */
function locate(packages: Readonly<Record<string, Dependencies>>, name: string, from: string): string {
  const nested = `${from}${from && '/'}node_modules/${name}`;
  if (packages[nested]) return nested;
  if (from === '') throw new Error(`There is no package ${name} in package-lock.json`);
  return locate(packages, name, from.slice(0, Math.max(0, from.lastIndexOf('node_modules') - 1)));
}
