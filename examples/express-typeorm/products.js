// @ts-check
// The catalogue's products in SQLite, by TypeORM.

import { attachmentColumn, useAttachments } from 'filedepot/typeorm';
import { DataSource, EntitySchema, LessThan } from 'typeorm';
import { photoField, sheetField } from '../catalogue/application.js';
import { driver } from './sqlite.js';

/** @typedef {import('../catalogue/products.js').Product & { id: number }} Product */
/** @typedef {import('../catalogue/products.js').ProductRepository} ProductRepository */

/** @type {EntitySchema<Product>} */
const ProductSchema = new EntitySchema({
  name: 'product',
  columns: {
    id: { type: 'integer', primary: true, generated: 'increment' },
    name: { type: 'text' },
    description: { type: 'text' },
    price: { type: 'integer' },
    photo: attachmentColumn({ field: photoField }),
    sheet: attachmentColumn({ field: sheetField }),
  },
});

/**
 * @param {import('filedepot').DepotManager} depot
 * @param {string} database path of its file
 * @returns {Promise<ProductRepository>}
 */
export async function openProducts(depot, database) {
  const dataSource = new DataSource({
    type: 'better-sqlite3',
    driver,
    database,
    enableWAL: true,
    entities: [ProductSchema],
    synchronize: true, // an application of yours has migrations
  });
  await dataSource.initialize();
  const attachments = await useAttachments(dataSource, { depot });
  const products = dataSource.getRepository(ProductSchema);
  const inTurn = takeTurns();
  return {
    list: ({ before, limit }) =>
      products.find({
        where: before === undefined ? {} : { id: LessThan(toId(before)) },
        order: { id: 'DESC' },
        take: limit,
      }),
    create: (values) => inTurn(() => products.save({ ...values })),
    update: (id, values) =>
      inTurn(async () => {
        const product = await products.findOneBy({ id: toId(id) });
        return product && products.save(Object.assign(product, values));
      }),
    remove: (id) => inTurn(() => products.delete({ id: toId(id) })),
    close: async () => {
      await attachments.close();
      await dataSource.destroy();
    },
  };
}

/**
 * What is no id becomes one that no product has.
 * @param {string} text
 */
const toId = (text) => (/^\d{1,15}$/.test(text) ? Number(text) : 0);

/** TypeORM has one connection to SQLite, and would begin a transaction within that of another request. */
function takeTurns() {
  /** @type {Promise<unknown>} */
  let last = Promise.resolve();
  /**
   * @template Result
   * @param {() => Promise<Result>} act
   * @returns {Promise<Result>}
   */
  return (act) => {
    const turn = last.then(act);
    last = turn.catch(() => {});
    return turn;
  };
}
