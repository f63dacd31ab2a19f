// @ts-check
// The catalogue's products in MongoDB, by Mongoose.

import { useAttachments } from 'filedepot/mongoose';
import mongoose from 'mongoose';
import { photoField, sheetField } from '../catalogue/application.js';

/** @typedef {import('../catalogue/products.js').ProductRepository} ProductRepository */

const CONNECT_MILLISECONDS = 10_000;

/**
 * @param {import('filedepot').DepotManager} depot
 * @param {string} url of the database
 * @returns {Promise<ProductRepository>}
 */
export async function openProducts(depot, url) {
  const options = { serverSelectionTimeoutMS: CONNECT_MILLISECONDS };
  const connection = await mongoose.createConnection(url, options).asPromise();
  const attachments = useAttachments(connection, { depot });
  const Product = defineProduct(connection, attachments);
  await attachments.recover();
  return {
    list({ before, limit }) {
      const older = before === undefined ? {} : { _id: { $lt: before } };
      return Product.find(isIdOrNothing(before) ? older : { _id: null })
        .sort({ _id: -1 })
        .limit(limit);
    },
    create: (values) => Product.create(values),
    async update(id, values) {
      const product = mongoose.isValidObjectId(id) ? await Product.findById(id) : null;
      return product?.set(values).save();
    },
    remove: async (id) => mongoose.isValidObjectId(id) && Product.deleteOne({ _id: id }),
    async close() {
      await attachments.close();
      await connection.close();
    },
  };
}

/**
 * @param {mongoose.Connection} connection
 * @param {import('filedepot/mongoose').MongooseAttachments} attachments
 */
function defineProduct(connection, { attachment }) {
  const schema = mongoose.Schema.create({
    name: { type: String, required: true },
    description: { type: String, default: '' },
    price: { type: Number, required: true },
    photo: attachment(photoField),
    sheet: attachment(sheetField),
  });
  return connection.model('Product', schema);
}

/** @param {string} [id] */
function isIdOrNothing(id) {
  return id === undefined || mongoose.isValidObjectId(id);
}
