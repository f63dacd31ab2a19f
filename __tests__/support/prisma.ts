import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './consumer-project.js';
import { removeFolder } from './folders.js';
import { programFor } from './servers/missing-program.js';

const run = promisify(execFile);

/** Within the project, so that what is generated finds `@prisma/client`. */
const CACHE = join(ROOT, '.cache/prisma');

const GENERATOR = `
generator client {
  provider = "prisma-client"
  output   = "./client"
}
`;

/** The path of Prisma's CLI. @throws MissingProgramError */
export function prismaProgram(): string {
  return process.env.DEPOT_TEST_PRISMA || programFor('prisma');
}

/**
 * Has Prisma generate a client for a schema, once, and gives the path of its module `client.ts`.
 * @param schema its data source and models
 * @throws MissingProgramError
 */
export async function generateClient(schema: string): Promise<string> {
  const program = prismaProgram();
  const folder = join(CACHE, createHash('sha256').update(schema).digest('hex').slice(0, 16));
  const client = join(folder, 'client/client.ts');
  if (!(await exists(client))) await generate(program, schema, folder);
  return client;
}

/** Appears whole or not at all: several tests may be about it at once. */
async function generate(program: string, schema: string, folder: string): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const partial = await mkdtemp(`${folder}.partial-`);
  try {
    const path = join(partial, 'schema.prisma');
    await writeFile(path, GENERATOR + schema);
    // Generation does without the engine that migrations have, and which would be downloaded.
    const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true', CHECKPOINT_DISABLE: '1' };
    await run(program, ['generate', '--no-hints', '--schema', path], { env, cwd: partial });
    await rename(partial, folder).catch(async (error) => {
      if (!(await exists(folder))) throw error;
    });
  } finally {
    await removeFolder(partial);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
