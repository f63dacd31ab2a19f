// @ts-check
import { randomUUID } from 'node:crypto';
import { PRISMA_CLIENT } from '../harness/prisma.js';

/** @typedef {import('../../dist/index.js').DepotManager} DepotManager */
/** @typedef {{ name: string, file: unknown }} Row */

/**
 * Connects to a database, makes a table with a column for the file, of plain JSON or for an attachment, and gives what
 * inserts a row in the way of the ORM.
 * @typedef {(address: string, depot?: DepotManager) => Promise<(row: Row) => Promise<unknown>>} Open
 */

const TABLE = 'CREATE TABLE documents (id serial PRIMARY KEY, name text NOT NULL, file jsonb)';

/** @type {Open} */
async function drizzle(address, depot) {
  const { default: pg } = await import('pg');
  const { drizzle } = await import('drizzle-orm/node-postgres');
  const { jsonb, pgTable, serial, text } = await import('drizzle-orm/pg-core');
  const { pgAttachment, withAttachments } = await import('../../dist/attachments/orm/drizzle.js');
  const pool = new pg.Pool({ connectionString: address });
  await pool.query(TABLE);
  /** @type {any} */
  const file = depot ? pgAttachment('file') : jsonb('file');
  const documents = pgTable('documents', {
    id: serial('id').primaryKey(),
    name: text('name').notNull(),
    file,
  });
  const plain = drizzle(pool);
  const db = depot ? withAttachments(plain, { depot, tables: { documents } }) : plain;
  return (row) => db.insert(documents).values(row);
}

/** @type {Open} */
async function typeorm(url, depot) {
  const { DataSource, EntitySchema } = await import('typeorm');
  const { attachmentColumn, useAttachments } = await import('../../dist/attachments/orm/typeorm.js');
  const document = new EntitySchema({
    name: 'document',
    columns: {
      id: { type: 'integer', primary: true, generated: true },
      name: { type: 'text' },
      file: depot ? attachmentColumn({ type: 'jsonb' }) : { type: 'jsonb', nullable: true },
    },
  });
  const dataSource = new DataSource({ type: 'postgres', url, entities: [document], synchronize: true });
  await dataSource.initialize();
  if (depot) await useAttachments(dataSource, { depot });
  return (row) => dataSource.getRepository(document).save({ ...row });
}

/** @type {Open} */
async function sequelize(address, depot) {
  const { DataTypes, Sequelize } = await import('sequelize');
  const { attachment, useAttachments } = await import('../../dist/attachments/orm/sequelize.js');
  const sequelize = new Sequelize(address, { logging: false });
  const file = depot ? attachment() : DataTypes.JSONB;
  const Document = sequelize.define('document', { name: DataTypes.TEXT, file }, { timestamps: false });
  await sequelize.sync();
  if (depot) useAttachments(sequelize, { depot });
  return (row) => Document.create({ ...row });
}

/** @type {Open} */
async function mikroOrm(clientUrl, depot) {
  const { defineEntity, p } = await import('@mikro-orm/core');
  const { MikroORM } = await import('@mikro-orm/postgresql');
  const { attachment, useAttachments } = await import('../../dist/attachments/orm/mikro-orm.js');
  /** @type {any} */
  const file = depot ? attachment().nullable() : p.json().nullable();
  const Document = defineEntity({
    name: 'Document',
    properties: { id: p.integer().primary(), name: p.string(), file },
  });
  const orm = await MikroORM.init({ clientUrl, entities: [Document] });
  await orm.schema.create();
  if (depot) useAttachments(orm, { depot });
  return async (row) => {
    const em = orm.em.fork();
    em.create(Document, /** @type {any} */ ({ ...row }));
    await em.flush();
  };
}

/** @type {Open} */
async function mongoose(url, depot) {
  const { default: mongoose } = await import('mongoose');
  const { useAttachments } = await import('../../dist/attachments/orm/mongoose.js');
  const connection = await mongoose.createConnection(url, { dbName: `run-${randomUUID()}` }).asPromise();
  /** @type {any} */
  const file = depot ? useAttachments(connection, { depot }).attachment() : Object;
  const Document = connection.model('Document', new mongoose.Schema({ name: String, file }));
  await Document.init();
  return (row) => Document.create({ ...row });
}

/** @type {Open} */
async function prisma(connectionString, depot) {
  const { default: pg } = await import('pg');
  const { PrismaPg } = await import('@prisma/adapter-pg');
  const { attachmentAdapter, attachments } = await import('../../dist/attachments/orm/prisma.js');
  const { PrismaClient } = await import(String(process.env[PRISMA_CLIENT]));
  const pool = new pg.Pool({ connectionString, max: 1 });
  await pool.query(TABLE).finally(() => pool.end());
  const adapter = new PrismaPg({ connectionString });
  const plain = new PrismaClient({ adapter: depot ? attachmentAdapter(adapter) : adapter });
  const models = { document: { file: {} } };
  const client = depot ? plain.$extends(attachments({ depot, models })) : plain;
  return (row) => client.document.create({ data: row });
}

/** The ORMs by their names; all with PostgreSQL, but for mongoose. */
export const orms = { drizzle, mikroOrm, mongoose, prisma, sequelize, typeorm };
