import type { Table } from 'drizzle-orm';
import type { OpenTransaction } from '../../sql/open-transaction.js';
import type { Transactions } from '../../sql/transactions.js';
import { runDelete } from './delete.js';
import { outcomeOf } from './dialect.js';
import { onlyAdds, runInsert } from './insert.js';
import { deletesFiles, type Schema, type TableShape } from './schema.js';
import { type Builder, call, type Session } from './session.js';
import { execute, type Run, recorded, Statement, type StatementKind } from './statement.js';
import { runUpdate, setsAttachments } from './update.js';
import type { Execution, Work } from './work.js';

type Runner = (work: Work, execution: Execution) => Promise<unknown>;

const RUNNERS: Readonly<Record<StatementKind, Runner>> = {
  insert: runInsert,
  update: runUpdate,
  delete: runDelete,
};

/** Has a statement run with the transaction that it belongs to. */
type InTransaction = (run: (work: Work) => Promise<unknown>, statement: Statement) => Promise<unknown>;

/** The application's database: its statements keep files and rows together. @param additions further members */
export function observedDatabase(
  db: Session,
  schema: Schema,
  transactions: Transactions<Session>,
  additions: object,
): Session {
  const inTransaction: InTransaction = (run, statement) =>
    onlyAdds(statement) ? transactions.runInsert(run, outcomeOf) : transactions.runAlone(run);
  const transaction = (body: (session: Session) => Promise<unknown>, config?: unknown) =>
    transactions.run((open) => body(observedTransaction(schema, open)), config);
  return overlaid(db, { ...statements(db, schema, inTransaction), transaction, ...additions });
}

function observedTransaction(schema: Schema, open: OpenTransaction<Session>): Session {
  const { session } = open;
  const inTransaction: InTransaction = (run) => open.statement(run);
  const transaction = (body: (session: Session) => Promise<unknown>) =>
    open.nested(
      (begin) => session.transaction(begin),
      (inner) => body(observedTransaction(schema, inner)),
    );
  const methods = { ...statements(session, schema, inTransaction), transaction };
  return overlaid(session, methods, () => open.doubt());
}

/** An object with other methods in place of some. @param onOther told when any of the rest is used */
function overlaid(target: Session, methods: object, onOther?: () => void): Session {
  return new Proxy(target, {
    get(_target, property) {
      if (property in methods) return Reflect.get(methods, property);
      onOther?.();
      return Reflect.get(target, property);
    },
  });
}

/** The methods that begin statements which write. */
function statements(session: Session, schema: Schema, inTransaction: InTransaction): object {
  const begin = (kind: StatementKind, within: Session, subqueries: readonly unknown[]) => (table: Table) => {
    const builder = call(within as never, kind, [table]) as Builder;
    const shape = schema.find(table);
    if (!shape || !concernsFiles(kind, shape)) return builder;
    const run: Run = (statement, method, placeholders) => {
      if (isWithoutFiles(shape, statement)) return execute(statement.build(session), method, placeholders);
      return inTransaction(
        (work) => RUNNERS[kind](work, { shape, statement, method, placeholders }),
        statement,
      );
    };
    return recorded(builder, new Statement(kind, table, subqueries), run);
  };
  const all = (within: Session, subqueries: readonly unknown[]) => ({
    insert: begin('insert', within, subqueries),
    update: begin('update', within, subqueries),
    delete: begin('delete', within, subqueries),
  });
  const withSubqueries = (...subqueries: readonly unknown[]) => {
    const within = session.with(...subqueries);
    return { ...within, ...all(within, subqueries) };
  };
  return { ...all(session, []), with: withSubqueries };
}

function concernsFiles(kind: StatementKind, shape: TableShape): boolean {
  return kind === 'delete' ? deletesFiles(shape) : shape.attachments.size > 0;
}

function isWithoutFiles(shape: TableShape, statement: Statement): boolean {
  return statement.kind === 'update' && !setsAttachments({ shape, statement });
}
