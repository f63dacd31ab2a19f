import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeFolder } from '../folders.js';
import { freePort } from './free-port.js';
import { programFor } from './missing-program.js';
import type { ProgramName } from './programs.js';

/** How long a server may take to answer on a busy machine, in milliseconds. */
const PATIENCE = 60_000;

/** How often a server that starts is asked, in milliseconds. */
const INTERVAL = 20;

/** How long a server may take to end by itself, in milliseconds. */
const GRACE = 10_000;

/** How much of its log explains why a server did not start, in characters. */
const LOG_TAIL = 4000;

const GUARD = join(import.meta.dirname, 'guard.js');

/** How a server is run. */
export interface Recipe {
  readonly program: ProgramName;
  /** Path of what starts the program, whose path is its first parameter then. @default the program itself */
  readonly launcher?: string;
  /** What it wants to find in its folder. */
  readonly folders: readonly string[];
  /** @param folder where its data is; the same after a restart */
  parameters(port: number, folder: string): readonly string[];
  /** Fails as long as the server cannot be used. */
  greet(port: number): Promise<unknown>;
}

/** A server of the tests' own, on a loopback port, with its data and its log in a temporary folder. */
export class ServerProcess {
  readonly port: number;
  /** Holds its data and `server.log`. */
  readonly folder: string;
  readonly #recipe: Recipe;
  readonly #program: string;
  #guard: ChildProcess | undefined;
  #pid: number | undefined;

  private constructor(recipe: Recipe, program: string, port: number, folder: string) {
    this.#recipe = recipe;
    this.#program = program;
    this.port = port;
    this.folder = folder;
  }

  /**
   * Resolves when the server can be used.
   * @throws MissingProgramError where the program cannot be had; an Error with the end of its log if it does not start
   */
  static async start(recipe: Recipe): Promise<ServerProcess> {
    const program = programFor(recipe.program);
    const port = await freePort();
    const folder = await mkdtemp(join(tmpdir(), `filedepot-${recipe.program}-`));
    const server = new ServerProcess(recipe, program, port, folder);
    for (const name of recipe.folders) await mkdir(join(folder, name));
    await server.#start();
    return server;
  }

  /** The process, if it runs. */
  get pid(): number | undefined {
    return this.#guard && this.#pid;
  }

  /** Ends it at once and removes its folder. */
  async stop(): Promise<void> {
    await this.#end('SIGKILL');
    await removeFolder(this.folder);
  }

  /** Ends it in good order and starts it again: same port, same data. */
  async restart(): Promise<void> {
    await this.#end('SIGTERM');
    await this.#start();
  }

  async #start(): Promise<void> {
    try {
      await this.#spawn();
      await this.#becomeReady();
    } catch (cause) {
      const log = await readFile(join(this.folder, 'server.log'), 'utf8').catch(String);
      await this.stop();
      throw new Error(`${this.#program} did not start: ${cause}\n${log.slice(-LOG_TAIL)}`, { cause });
    }
  }

  /** The guard has a process group of its own: what interrupts the tests does not end it before it has cleaned up. */
  async #spawn(): Promise<void> {
    const { launcher } = this.#recipe;
    const parameters = this.#recipe.parameters(this.port, this.folder);
    const command = launcher ? [launcher, this.#program, ...parameters] : [this.#program, ...parameters];
    const log = await open(join(this.folder, 'server.log'), 'a');
    try {
      const guard = fork(GUARD, [this.folder, ...command], {
        detached: true,
        execArgv: [],
        stdio: ['ignore', log.fd, log.fd, 'ipc'],
      });
      this.#guard = guard;
      guard.once('exit', () => this.#forget(guard));
      [this.#pid] = await Promise.race([once(guard, 'message'), failAtExit(guard)]);
      letTestsEnd(guard);
    } finally {
      await log.close();
    }
  }

  #forget(guard: ChildProcess): void {
    if (this.#guard === guard) this.#guard = undefined;
  }

  async #becomeReady(): Promise<void> {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      try {
        await this.#recipe.greet(this.port);
        return;
      } catch (error) {
        if (!this.#guard || Date.now() > deadline) throw error;
      }
      await sleep(INTERVAL);
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const guard = this.#guard;
    if (!guard) return;
    guard.ref();
    const ended = once(guard, 'exit');
    // A message that comes too late is for a server that has ended already.
    const send = (message: NodeJS.Signals) => guard.send(message, () => {});
    send(signal);
    const impatience = setTimeout(send, GRACE, 'SIGKILL');
    await ended;
    clearTimeout(impatience);
  }
}

async function failAtExit(guard: ChildProcess): Promise<never> {
  const [code] = await once(guard, 'exit');
  throw new Error(`It ended with ${code}`);
}

/** Tests that forget to stop a server can end nevertheless, and the server ends with them. */
function letTestsEnd(guard: ChildProcess): void {
  guard.unref();
  guard.channel?.unref();
}
