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
    connection.execute = (query, parameters, method, ctx, ...others) =>
      execute.call(connection, query, parameters, method, ctx, ...others).catch((error: unknown) => {
        // PostgreSQL then answers the COMMIT with a rollback, and no error.
        if (ctx) this.#known(ctx)?.undoneInPart();
        throw error;
      });
  }

  /** The files of a transaction of the application. */
  filesOf(ctx: Context): TransactionFiles {
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
    if (ctx) return act({ files: this.filesOf(ctx), context: async () => ctx });
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
      if (parent) this.#parents.set(ctx, parent);
      if (flush) this.#files.set(ctx, flush);
      flush?.open(ctx);
      return ctx;
    } catch (error) {
      await flush?.settle('rolledBack');
      throw error;
    }
  }

  async #commit(ctx: Context, commit: () => Promise<void>): Promise<void> {
    const files = this.#known(ctx);
    if (!files || this.#parents.has(ctx)) return commit();
    await files.beforeCommit();
    let outcome: Outcome = 'unknown';
    try {
      await commit();
      outcome = 'committed';
    } finally {
      await files.settle(outcome);
    }
  }

  async #rollBack(ctx: Context, rollBack: () => Promise<void>): Promise<void> {
    const files = this.#known(ctx);
    if (this.#parents.has(ctx)) {
      files?.undoneInPart();
      return rollBack();
    }
    try {
      await rollBack();
    } finally {
      await files?.settle('rolledBack');
    }
  }

  #newFiles(): TransactionFiles {
    return new TransactionFiles(this.#attachments, this.#connection);
  }

  #known(ctx: Context): TransactionFiles | undefined {
    return this.#files.get(this.#outermost(ctx));
  }

  #outermost(ctx: Context): Context {
    const parent = this.#parents.get(ctx);
    return parent ? this.#outermost(parent) : ctx;
  }
}
