import type { Client, InStatement, Transaction, TransactionMode } from '@libsql/client';
import type { ProcessOptions } from '../../../lib/testing/index.js';

/**
 * Has the transactions of a client tell of their steps.
 * @returns what ends the client as the end of its process would
 */
export function makeMortal(client: Client, { step }: Pick<ProcessOptions, 'step'>): () => Promise<void> {
  const open = new Set<Transaction>();
  const transaction = client.transaction.bind(client);
  client.transaction = async (mode?: unknown) => {
    const begun = await transaction((mode ?? 'write') as TransactionMode);
    open.add(begun);
    const execute = begun.execute.bind(begun);
    const commit = begun.commit.bind(begun);
    begun.execute = async (statement: InStatement) => {
      if (isOfRows(statement)) await step('statement');
      return execute(statement);
    };
    begun.commit = async () => {
      await step('commit');
      await commit();
    };
    return begun;
  };
  return async () => {
    for (const transaction of open) transaction.close();
    client.close();
  };
}

function isOfRows(statement: InStatement): boolean {
  const sql = typeof statement === 'string' ? statement : statement.sql;
  return /^(?:insert|update|delete).*(?:documents|folders)/is.test(sql);
}
