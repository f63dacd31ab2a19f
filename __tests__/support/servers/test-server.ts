import { type Recipe, ServerProcess } from './server-process.js';

/** A server that tests use: their own, or one that the environment names. */
export interface TestServer {
  /** Whether the tests started it; otherwise it may hold data of others and cannot be restarted. */
  readonly isOwn: boolean;
  /** Its process, if it is the tests' own and runs. */
  readonly pid: number | undefined;
  /** Where its data and its log are, if it is the tests' own. */
  readonly folder: string | undefined;
  /** Ends it and forgets its data, if it is the tests' own. */
  stop(): Promise<void>;
  /**
   * Ends it and starts it again: same address, same data.
   * @throws Error if it is not the tests' own
   */
  restart(): Promise<void>;
}

/** A server of the tests' own, with what its clients need to know. */
export async function startOwn<Details extends object>(
  recipe: Recipe,
  describe: (port: number) => Details,
): Promise<TestServer & Details> {
  const server = await ServerProcess.start(recipe);
  const control: TestServer = {
    isOwn: true,
    get pid() {
      return server.pid;
    },
    folder: server.folder,
    stop: () => server.stop(),
    restart: () => server.restart(),
  };
  return Object.assign(control, describe(server.port));
}

/** A server that the environment names. */
export function useForeign<Details extends object>(url: string, details: Details): TestServer & Details {
  return {
    isOwn: false,
    pid: undefined,
    folder: undefined,
    stop: async () => {},
    restart: async () => {
      throw new Error(`The server at ${url} is not the tests' own: it cannot be restarted`);
    },
    ...details,
  };
}
