// @ts-check
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A module in a process of its own, which answers calls one at a time. */
export class Child {
  /** @type {import('node:child_process').ChildProcess} */
  #process;

  /** @param {string} module a path relative to this folder @param {readonly string[]} [args] */
  constructor(module, args = []) {
    const path = fileURLToPath(new URL(module, import.meta.url));
    const execArgv = (process.env.BENCHMARK_NODE_OPTIONS ?? '').split(' ').filter(Boolean);
    this.#process = fork(path, args, { execArgv, serialization: 'advanced' });
  }

  /**
   * Calls a function of the module.
   * @param {string} name @param {unknown} [argument] @returns {Promise<any>}
   */
  async call(name, argument) {
    const ended = new AbortController();
    const exit = once(this.#process, 'exit', { signal: ended.signal }).then(([code]) => {
      throw new Error(`The process ended with ${code} instead of answering ${name}`);
    });
    this.#process.send({ name, argument });
    try {
      const [answer] = await Promise.race([once(this.#process, 'message', { signal: ended.signal }), exit]);
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer.result;
    } finally {
      exit.catch(() => {});
      ended.abort();
    }
  }

  /** Ends the process. */
  async stop() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    this.#process.disconnect();
    await exit;
  }
}

/**
 * The other side: answers the parent's calls, and ends with the parent.
 * @param {Record<string, (argument: any) => unknown>} functions
 */
export function answerCalls(functions) {
  process.on('message', async (/** @type {any} */ { name, argument }) => {
    try {
      process.send?.({ result: await functions[name]?.(argument) });
    } catch (error) {
      process.send?.({ error: error instanceof Error ? error.stack : String(error) });
    }
  });
  process.on('disconnect', () => process.exit());
}
