// @ts-check
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireProgram } from './storage-servers.js';

/** Names the module of the client in the environment. */
export const PRISMA_CLIENT = 'BENCHMARK_PRISMA_CLIENT';

const SCHEMA = `
generator client {
  provider = "prisma-client"
  output   = "./client"
}
datasource db {
  provider = "postgresql"
}
model Document {
  id   Int    @id @default(autoincrement())
  name String
  file Json?

  @@map("documents")
}
`;

/**
 * Has Prisma generate a client, and processes that are started from now on know where it is.
 * @param {string} folder within the project, so that the client finds its runtime
 */
export async function makePrismaClient(folder) {
  const home = join(folder, 'prisma');
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'schema.prisma'), SCHEMA);
  // Generation does without the engine that migrations have, and which would be downloaded.
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true', CHECKPOINT_DISABLE: '1' };
  const parameters = ['generate', '--no-hints', '--schema', join(home, 'schema.prisma')];
  execFileSync(requireProgram('prisma'), parameters, { env, cwd: home, stdio: 'ignore' });
  await stripTypes(join(home, 'client'));
  process.env[PRISMA_CLIENT] = join(home, 'client/client.js');
}

/** Beside each source, what Node runs. @param {string} folder */
async function stripTypes(folder) {
  const { transformSync } = await import('@swc/core');
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  for (const name of names.filter((one) => one.endsWith('.ts'))) {
    const source = readFileSync(join(folder, name), 'utf8');
    const jsc = {
      parser: { syntax: /** @type {const} */ ('typescript') },
      target: /** @type {const} */ ('es2022'),
    };
    const { code } = transformSync(source, { jsc, module: { type: 'es6' } });
    writeFileSync(join(folder, name.replace(/\.ts$/, '.js')), code);
  }
}
