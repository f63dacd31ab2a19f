import { afterAll, describe, test } from '@jest/globals';
import { MissingProgramError } from './missing-program.js';

/** How each of some things is had. */
type Starters<Things extends readonly unknown[]> = {
  readonly [Position in keyof Things]: () => Things[Position] | Promise<Things[Position]>;
};

/**
 * `describe` for tests that need servers: starts them, and stops them afterwards. Where one cannot be had, the tests
 * are skipped aloud; with `CI=true` that is a failure.
 *
 *     await describeWith('S3 storage', [startS3Server, pythonWithDepot], (server, python) => { … });
 */
export async function describeWith<const Things extends readonly unknown[]>(
  name: string,
  starters: Starters<Things>,
  body: (...things: Things) => void,
): Promise<void> {
  const started: unknown[] = [];
  try {
    for (const start of starters) started.push(await start());
  } catch (error) {
    await stopAll(started);
    skipAloud(name, error);
    return;
  }
  describe(name, () => {
    afterAll(() => stopAll(started));
    body(...(started as unknown as Things));
  });
}

function skipAloud(name: string, error: unknown): void {
  if (!(error instanceof MissingProgramError) || process.env.CI === 'true') throw error;
  console.warn(`SKIPPED: ${name}. ${error.message}`);
  test.skip(`${name} (${error.message})`, () => {});
}

async function stopAll(things: readonly unknown[]): Promise<void> {
  await Promise.all(things.filter(isStoppable).map((thing) => thing.stop()));
}

function isStoppable(thing: unknown): thing is { stop(): Promise<void> } {
  return typeof thing === 'object' && thing !== null && 'stop' in thing;
}
