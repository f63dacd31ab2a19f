import { DepotError } from '../../../errors.js';
import { deferred } from '../../../internal/deferred.js';
import type { Attachment, AttachmentInput } from '../../attachment.js';
import type { Attachments } from '../../attachments.js';
import type { AttachmentField } from '../../field.js';
import type { SqlExecutor } from '../../journal/sql-journal.js';
import type { Outcome, UnitOfWork } from '../../unit-of-work.js';
import type { BeginOptions, Context, SqlConnection } from './internals.js';
import { executorOf } from './journal.js';

/** The attachments of one transaction, from its beginning to its end. */
export class TransactionFiles {
  readonly #unit: UnitOfWork<SqlExecutor>;
  readonly #opened = deferred<Context>();
  readonly #asked = deferred<void>();
  /** Stored for statements that were not done yet. */
  readonly #unused = new Set<Attachment>();
  readonly #statements = new Set<Promise<unknown>>();

  constructor(attachments: Attachments<SqlExecutor>, connection: SqlConnection) {
    const place = async () => ({ connection, ctx: await this.context() });
    this.#unit = attachments.begin(executorOf(place));
  }

  /** Resolves when the journal wants the transaction: something is stored. */
  get asked(): Promise<void> {
    return this.#asked.promise;
  }

  context(): Promise<Context> {
    this.#asked.resolve();
    return this.#opened.promise;
  }

  open(ctx: Context): void {
    this.#opened.resolve(ctx);
  }

  async store(field: AttachmentField, value: unknown): Promise<Attachment | null> {
    const attachment = await this.#unit.store(field, value as AttachmentInput | null);
    if (attachment) this.#unused.add(attachment);
    return attachment;
  }

  /** Runs a statement of the transaction, in as many steps as it takes. */
  async run<Result>(act: () => Promise<Result>): Promise<Result> {
    const statement = act();
    this.#statements.add(statement);
    try {
      return await statement;
    } finally {
      this.#statements.delete(statement);
    }
  }

  /** Resolves when no statement is under way. */
  async idle(): Promise<void> {
    while (this.#statements.size > 0) await Promise.allSettled(this.#statements);
  }

  /** A statement that needs these was done. */
  used(attachments: readonly Attachment[]): void {
    for (const attachment of attachments) this.#unused.delete(attachment);
  }

  async remove(attachments: readonly Attachment[]): Promise<void> {
    await this.#unit.remove(attachments);
  }

  /** Part of what was written may be undone: a savepoint was rolled back, or a statement has failed. */
  undoneInPart(): void {
    this.#unit.rolledBackInPart();
  }

  /** The application may commit although statements have failed: what was stored for these goes. */
  async beforeCommit(): Promise<void> {
    if (this.#unused.size === 0) return;
    this.#unit.rolledBackInPart();
    // Where the transaction is broken as well, its end will show what nobody kept.
    await this.#unit.remove([...this.#unused]).catch(() => {});
  }

  async settle(outcome: Outcome): Promise<void> {
    this.#opened.reject(new Error('The transaction was not begun'));
    await this.#unit.settle(outcome);
  }
}

/** A transaction for one statement. */
export interface Work {
  readonly files: TransactionFiles;
  /** Opens the transaction, if it is our own and was not needed until now. */
  context(): Promise<Context>;
}

/** Follows the transactions of a connection, the application's and our own, to their ends. */
export class Transactions {
  readonly #attachments: Attachments<SqlExecutor>;
  readonly #connection: SqlConnection;
  readonly #isSqlite: boolean;
  /** The outer transactions of savepoints. */
  readonly #parents = new WeakMap<Context, Context>();
  readonly #files = new WeakMap<Context, TransactionFiles>();
  /** Transactions whose end is sent. */
  readonly #ended = new WeakSet<Context>();
  /** Files of flushes whose transactions are about to begin, by entity manager. */
  readonly #flushes = new WeakMap<object, TransactionFiles>();

  constructor(attachments: Attachments<SqlExecutor>, connection: SqlConnection, isSqlite: boolean) {
    this.#attachments = attachments;
    this.#connection = connection;
    this.#isSqlite = isSqlite;
  }

  /** Has the connection tell of beginnings and ends: events leave out transactions whose end fails. */
  observe(): void {
    const connection = this.#connection;
    const { begin, commit, rollback, execute } = connection;
    connection.begin = (options) => this.#begin(options, () => begin.call(connection, options));
    connection.commit = (ctx, ...others) => this.#commit(ctx, () => commit.call(connection, ctx, ...others));
    connection.rollback = (ctx, ...others) =>
      this.#rollBack(ctx, () => rollback.call(connection, ctx, ...others));
    connection.execute = async (query, parameters, method, ctx, ...others) => {
      if (ctx) this.#refuseEnded(ctx);
      try {
        return await execute.call(connection, query, parameters, method, ctx, ...others);
      } catch (error) {
        // PostgreSQL then answers the COMMIT with a rollback, and no error.
        if (ctx) this.#known(ctx)?.undoneInPart();
        throw error;
      }
    };
  }

  /**
   * The files of a transaction of the application.
   * @throws DepotError `CONFLICT` when it has ended
   */
  filesOf(ctx: Context): TransactionFiles {
    this.#refuseEnded(ctx);
    const outermost = this.#outermost(ctx);
    const known = this.#files.get(outermost);
    if (known) return known;
    const files = this.#newFiles();
    files.open(outermost);
    this.#files.set(outermost, files);
    return files;
  }

  /** The files of a flush that begins a transaction next. */
  async filesOfFlush(em: object): Promise<TransactionFiles> {
    // One that was given up before it began.
    await this.#flushes.get(em)?.settle('rolledBack');
    const files = this.#newFiles();
    this.#flushes.set(em, files);
    return files;
  }

  /** Runs a statement in the transaction that it belongs to, or in one of its own, begun as late as possible. */
  async run<Result>(ctx: Context | undefined, act: (work: Work) => Promise<Result>): Promise<Result> {
    if (ctx) {
      const files = this.filesOf(ctx);
      return files.run(() => act({ files, context: async () => ctx }));
    }
    const files = this.#newFiles();
    let opening: Promise<Context> | undefined;
    const context = () => {
      opening ??= this.#connection.begin().then((opened) => {
        this.#files.set(opened, files);
        files.open(opened);
        return opened;
      });
      return opening;
    };
    files.asked.then(context).catch(() => {});
    try {
      const result = await act({ files, context });
      await this.#connection.commit(await context());
      return result;
    } catch (error) {
      await opening?.then((opened) => this.#connection.rollback(opened)).catch(() => {});
      throw error;
    } finally {
      // It is settled already where a transaction was begun.
      await files.settle('rolledBack');
    }
  }

  /** The one connection of SQLite could not make the journal's table while a transaction has it. */
  async #begin(options: BeginOptions | undefined, begin: () => Promise<Context>): Promise<Context> {
    const { ctx: parent, eventBroadcaster } = options ?? {};
    if (this.#isSqlite && !parent) await this.#attachments.prepare();
    const em = eventBroadcaster?.em;
    const flush = em && !parent ? this.#flushes.get(em) : undefined;
    if (em && flush) this.#flushes.delete(em);
    try {
      const ctx = await begin();
      this.#holdEnds(ctx);
      if (parent) this.#parents.set(ctx, parent);
      if (flush) this.#files.set(ctx, flush);
      flush?.open(ctx);
      return ctx;
    } catch (error) {
      await flush?.settle('rolledBack');
      throw error;
    }
  }

  /** A statement of several steps would be overtaken by an end that is sent at once, and go on outside of the transaction. */
  #holdEnds(ctx: Context): void {
    for (const name of ['commit', 'rollback', 'rollbackToSavepoint'] as const) {
      const end = ctx[name];
      const execute = async (savepointName?: string) => {
        await this.#beforeEnd(ctx, name);
        return end.call(ctx, savepointName).execute();
      };
      ctx[name] = (savepointName) => ({ execute: () => execute(savepointName) });
    }
  }

  async #beforeEnd(ctx: Context, name: 'commit' | 'rollback' | 'rollbackToSavepoint'): Promise<void> {
    const files = this.#known(ctx);
    await files?.idle();
    if (name === 'commit') await files?.beforeCommit();
    if (name !== 'rollbackToSavepoint') this.#ended.add(ctx);
  }

  async #commit(ctx: Context, commit: () => Promise<void>): Promise<void> {
    if (this.#parents.has(ctx)) return commit();
    let outcome: Outcome = 'unknown';
    try {
      await commit();
      outcome = 'committed';
    } finally {
      await this.#known(ctx)?.settle(outcome);
    }
  }

  async #rollBack(ctx: Context, rollBack: () => Promise<void>): Promise<void> {
    const settle = async () => this.#known(ctx)?.settle('rolledBack');
    if (this.#parents.has(ctx)) {
      this.#known(ctx)?.undoneInPart();
      return rollBack();
    }
    // What is being stored is broken off, so that its statement does not hold up the rollback.
    const settling = settle();
    try {
      await rollBack();
    } finally {
      await settling;
      await settle();
    }
  }

  #newFiles(): TransactionFiles {
    return new TransactionFiles(this.#attachments, this.#connection);
  }

  #refuseEnded(ctx: Context): void {
    if (this.#ended.has(this.#outermost(ctx)))
      throw new DepotError('CONFLICT', 'The transaction of this statement has ended');
  }

  #known(ctx: Context): TransactionFiles | undefined {
    return this.#files.get(this.#outermost(ctx));
  }

  #outermost(ctx: Context): Context {
    const parent = this.#parents.get(ctx);
    return parent ? this.#outermost(parent) : ctx;
  }
}
