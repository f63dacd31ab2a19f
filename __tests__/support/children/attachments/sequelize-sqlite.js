// @ts-check
import { createRequire } from 'node:module';
import { attachment, useAttachments } from 'filedepot/sequelize';
import { DataTypes, Op, Sequelize } from 'sequelize';
import { findProgram } from '../../servers/programs.js';
import { actUntilKilled, photoField } from './act-until-killed.js';

/** Others write too: it is tried again. */
const retry = { max: 200, match: [/SQLITE_BUSY/], backoffBase: 10, backoffExponent: 1 };

const driver = process.env.DEPOT_TEST_SQLITE3 || findProgram('sqlite3') || 'sqlite3';

/**
 * @param {import('sequelize').ModelStatic<any>} Document
 * @param {import('sequelize').Transaction} [transaction]
 */
function rowsOf(Document, transaction) {
  const options = transaction ? { transaction } : {};
  const find = (/** @type {string} */ name) => Document.findByPk(name, { ...options, rejectOnEmpty: true });
  return {
    create: (/** @type {string} */ name, /** @type {object} */ values) =>
      Document.create({ name, ...values }, options),
    update: async (/** @type {string} */ name, /** @type {object} */ values) =>
      (await find(name)).update(values, options),
    remove: async (/** @type {string} */ name) => (await find(name)).destroy(options),
  };
}

await actUntilKilled(async (storage, depot) => {
  const sequelize = new Sequelize({
    ...{ dialect: 'sqlite', storage, dialectModule: createRequire(import.meta.url)(driver) },
    ...{ logging: false, retry, transactionType: /** @type {any} */ ('IMMEDIATE') },
  });
  const columns = {
    name: { type: DataTypes.TEXT, primaryKey: true },
    content: attachment(),
    photo: attachment(photoField),
  };
  const Document = sequelize.define('document', columns, { timestamps: false });
  const attachments = useAttachments(sequelize, { depot });
  return {
    ...rowsOf(Document),
    transaction: (act) => sequelize.transaction((transaction) => act(rowsOf(Document, transaction))),
    names: async (prefix) => {
      const found = await Document.findAll({ where: { name: { [Op.startsWith]: prefix } } });
      return found.map((document) => String(document.get('name')));
    },
    recover: () => attachments.recover(),
  };
});
