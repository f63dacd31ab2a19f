import type { Client as LibsqlClient } from '@libsql/client';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import type { Client } from '../../../lib/attachments/orm/prisma/client.js';
import { generateClient } from '../prisma.js';

const MODELS = `
model Folder {
  id        Int        @id @default(autoincrement())
  name      String
  parentId  Int?       @map("parent_id")
  parent    Folder?    @relation("Parent", fields: [parentId], references: [id], onDelete: Cascade)
  children  Folder[]   @relation("Parent")
  documents Document[]

  @@map("folders")
}

model Document {
  id       Int     @id @default(autoincrement())
  name     String  @unique
  content  Json?
  photo    Json?
  pages    Json?
  folderId Int?    @map("folder_id")
  folder   Folder? @relation(fields: [folderId], references: [id], onDelete: Cascade)

  @@map("documents")
}
`;

export type Provider = 'sqlite' | 'postgresql';

type ClientModule = { readonly PrismaClient: new (options: object) => Client & Connected };

/** A client of Prisma, of which the tests know no more. */
export interface Connected {
  $disconnect(): Promise<void>;
}

/** The class of a client for folders and documents. */
async function clientClass(provider: Provider): Promise<ClientModule['PrismaClient']> {
  const path = await generateClient(`datasource db {\n  provider = "${provider}"\n}\n${MODELS}`);
  const module: ClientModule = await import(path);
  return module.PrismaClient;
}

/** The folders and documents in a file of SQLite. @param onConnect is given what is beneath */
export async function sqliteClient(
  url: string,
  onConnect: (client: LibsqlClient) => void = () => {},
): Promise<Client & Connected> {
  const PrismaClient = await clientClass('sqlite');
  const adapter = new PrismaLibSql({ url });
  const { createClient } = adapter;
  adapter.createClient = (config) => {
    const client = createClient(config);
    onConnect(client as never);
    return client;
  };
  return new PrismaClient({ adapter });
}

/** The folders and documents in a database of PostgreSQL. @param wrap makes of the driver adapter what is used */
export async function postgresClient(
  pool: ConstructorParameters<typeof PrismaPg>[0],
  wrap: (adapter: PrismaPg) => PrismaPg,
): Promise<Client & Connected> {
  const PrismaClient = await clientClass('postgresql');
  return new PrismaClient({ adapter: wrap(new PrismaPg(pool)) });
}

/** Their tables. */
export const SQLITE_TABLES = [
  `CREATE TABLE folders (
    id integer PRIMARY KEY AUTOINCREMENT, name text NOT NULL,
    parent_id integer REFERENCES folders (id) ON DELETE CASCADE
  )`,
  `CREATE TABLE documents (
    id integer PRIMARY KEY AUTOINCREMENT, name text NOT NULL UNIQUE, content jsonb, photo jsonb, pages jsonb,
    folder_id integer REFERENCES folders (id) ON DELETE CASCADE
  )`,
];

export const POSTGRES_TABLES = `
  CREATE TABLE folders (
    id serial PRIMARY KEY, name text NOT NULL, parent_id integer REFERENCES folders (id) ON DELETE CASCADE
  );
  CREATE TABLE documents (
    id serial PRIMARY KEY, name text NOT NULL UNIQUE, content jsonb, photo jsonb, pages jsonb,
    folder_id integer REFERENCES folders (id) ON DELETE CASCADE
  );
`;
