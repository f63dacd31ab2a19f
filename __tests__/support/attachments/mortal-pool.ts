import pg from 'pg';
import type { ProcessOptions } from '../../../lib/testing/index.js';

/** Connections to PostgreSQL of a process that can be killed, and that tells of its steps. */
export class MortalPool extends pg.Pool {
  readonly #clients = new Set<pg.PoolClient>();
  readonly #step: ProcessOptions['step'];

  constructor(config: pg.PoolConfig, { step }: ProcessOptions) {
    super(config);
    this.#step = step;
    this.on('error', () => {});
    this.on('connect', (client) => this.#watch(client));
  }

  /** Ends in good order, as often as it is wanted. */
  override async end(): Promise<void> {
    if (!this.ending) await super.end();
  }

  /** Cuts all connections; nothing is said to the server. */
  async kill(): Promise<void> {
    for (const client of this.#clients) socketOf(client).destroy();
  }

  #watch(client: pg.PoolClient): void {
    this.#clients.add(client);
    client.on('error', () => {});
    const query = client.query.bind(client) as (...parameters: unknown[]) => Promise<unknown>;
    const watched = async (...parameters: unknown[]) => {
      const step = stepOf(parameters[0]);
      if (step) await this.#step(step);
      return query(...parameters);
    };
    // What has a callback is the pool's own business.
    const either = (...parameters: unknown[]) =>
      typeof parameters.at(-1) === 'function' ? query(...parameters) : watched(...parameters);
    Object.assign(client, { query: either });
  }
}

function stepOf(query: unknown): 'statement' | 'commit' | undefined {
  const text = typeof query === 'string' ? query : (query as { text?: string } | undefined)?.text;
  if (/^commit/i.test(text ?? '')) return 'commit';
  return /^(?:with|insert|update|delete).*(?:documents|folders)/is.test(text ?? '') ? 'statement' : undefined;
}

function socketOf(client: pg.PoolClient): { destroy(): void } {
  return (client as never as { connection: { stream: { destroy(): void } } }).connection.stream;
}
