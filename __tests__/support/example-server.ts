import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { removeFolder } from './folders.js';

const ROOT = resolve(import.meta.dirname, '../..');

const run = promisify(execFile);

type Environment = Readonly<Record<string, string>>;

/** A folder with a `server.js`. */
type Example = 'basic' | 'cloud' | 'express-mongoose' | 'express-typeorm';

/** The examples as a user has them: beside the built package, in a folder of their own. */
export class ExampleProject {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async build(): Promise<ExampleProject> {
    const folder = await mkdtemp(join(tmpdir(), 'filedepot-example-'));
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    const build = join(ROOT, 'tsconfig.build.json');
    await run(process.execPath, [compiler, '-p', build, '--outDir', join(folder, 'dist')]).catch(
      ({ stdout }) => {
        throw new Error(`The package cannot be built:\n${stdout}`);
      },
    );
    for (const part of ['package.json', 'examples']) {
      await cp(join(ROOT, part), join(folder, part), { recursive: true });
    }
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    return new ExampleProject(folder);
  }

  /** Runs an example's server on a free port, until it ends or is listening. */
  async run(environment: Environment = {}, example: Example = 'basic'): Promise<ExampleProcess> {
    const child = spawn(process.execPath, [`examples/${example}/server.js`], {
      cwd: this.folder,
      env: { PATH: process.env.PATH, PORT: '0', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const server = new ExampleProcess(child);
    await Promise.race([server.listening, server.ended]);
    return server;
  }

  async remove(): Promise<void> {
    await removeFolder(this.folder);
  }
}

/** A run of the example's server. */
export class ExampleProcess {
  /** Where it listens; empty if it ended before. */
  url = '';
  output = '';
  errors = '';
  readonly listening: Promise<void>;
  /** Its exit code; null where a signal killed it. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;

  constructor(child: ChildProcessByStdio<null, Readable, Readable>) {
    this.#child = child;
    this.ended = once(child, 'close').then(([code]) => code);
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.errors += text;
    });
    this.listening = this.#readOutput();
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal);
    return this.ended;
  }

  #readOutput(): Promise<void> {
    return new Promise((done) => {
      createInterface(this.#child.stdout).on('line', (line) => {
        this.output += `${line}\n`;
        this.url ||= /http:\S+/.exec(line)?.[0] ?? '';
        if (this.url) done();
      });
    });
  }
}
