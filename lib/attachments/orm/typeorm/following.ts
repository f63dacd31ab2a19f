import type {
  DataSource,
  EntityMetadata,
  EntitySubscriberInterface,
  ObjectLiteral,
  QueryRunner,
  UpdateEvent,
} from 'typeorm';
import { DepotError } from '../../../errors.js';
import type { Attachment } from '../../attachment.js';
import type { Attachments } from '../../attachments.js';
import type { SqlExecutor } from '../../journal/sql-journal.js';
import { type Change, Changes } from './changes.js';
import { executorOf } from './database.js';
import type { FieldColumn, FieldMap } from './fields.js';
import { lockedRows, whereIs } from './rows.js';

const FOLLOWING = new WeakMap<DataSource, Following>();

/** What follows the transactions of a data source, if it has attachments. */
export function followingOf(dataSource: DataSource): Following | undefined {
  return FOLLOWING.get(dataSource);
}

/** What `clear()` sends, and a `delete` of all rows in SQLite as well. */
const EMPTYING = /^(?:TRUNCATE TABLE|DELETE FROM) (?:"[^"]+"\.)?"([^"]+)"(?: CASCADE)?$/;

/** To a savepoint, also one of SQL that the application has written. */
const ROLLBACK = /^\s*ROLLBACK\b/i;

/** Files follow the transactions of one data source. */
export class Following {
  readonly fields: FieldMap;
  /** Whether another may take its place. */
  isClosed = false;
  readonly #dataSource: DataSource;
  readonly #subscribers: readonly EntitySubscriberInterface[];
  readonly #attachments: Attachments<SqlExecutor>;
  readonly #transactions = new WeakMap<QueryRunner, Changes>();
  /** What was stored for an entity, and will be in a statement that comes: it has nothing to store any more. */
  readonly #fresh = new WeakMap<Attachment, Change>();

  readonly #deleting = new WeakSet<QueryRunner>();
  readonly #watched = new WeakSet<QueryRunner>();
  /** Those whose COMMIT has failed, and may have been done nevertheless. */
  readonly #inDoubt = new WeakSet<QueryRunner>();

  constructor(dataSource: DataSource, attachments: Attachments<SqlExecutor>, fields: FieldMap) {
    this.fields = fields;
    this.#attachments = attachments;
    FOLLOWING.set(dataSource, this);
    this.#dataSource = dataSource;
    this.#subscribers = [this.#transactionSubscriber(), ...this.#entitySubscribers(dataSource)];
    dataSource.subscribers.push(...this.#subscribers);
  }

  /** Leaves the data source to another. */
  unsubscribe(): void {
    const { subscribers } = this.#dataSource;
    const others = subscribers.filter((subscriber) => !this.#subscribers.includes(subscriber));
    subscribers.splice(0, subscribers.length, ...others);
  }

  /** Stores what new rows are given, in the entities or sets of values that they are made of. */
  async store(
    queryRunner: QueryRunner,
    metadata: EntityMetadata,
    entities: readonly ObjectLiteral[],
  ): Promise<void> {
    const fields = this.fields.of(metadata);
    const storeNew = (field: FieldColumn, entity: ObjectLiteral) =>
      this.isFresh(field, entity) ? undefined : this.replace(queryRunner, field, entity, []);
    await settled(
      entities.flatMap((entity) =>
        fields.filter((field) => field.inputsIn(entity).length > 0).map((field) => storeNew(field, entity)),
      ),
    );
  }

  /**
   * Stores what a row is changed to, in the entity or the set of values that says so.
   * @param old what the row holds, of that field
   */
  async replace(
    queryRunner: QueryRunner,
    field: FieldColumn,
    values: ObjectLiteral,
    old: readonly Attachment[],
  ): Promise<void> {
    const change = await this.#changes(queryRunner).make(async (unit) => {
      const stored = await unit.storeList(field.field, field.inputsIn(values), old);
      const kept = new Set(stored.map(({ path }) => path));
      return { stored, old: old.filter(({ path }) => !kept.has(path)) };
    });
    field.set(values, change.stored);
    for (const attachment of change.stored) this.#fresh.set(attachment, change);
  }

  async remove(queryRunner: QueryRunner, old: readonly Attachment[]): Promise<void> {
    if (old.length === 0) return;
    await this.#changes(queryRunner).make(async (unit) => {
      await unit.remove(old);
      return { stored: [], old };
    });
  }

  /** Whether this was stored for an entity already. */
  isFresh(field: FieldColumn, values: ObjectLiteral): boolean {
    const inputs = field.inputsIn(values);
    return inputs.length > 0 && inputs.every((input) => this.#fresh.has(input as Attachment));
  }

  /** A statement was executed with these values. */
  written(queryRunner: QueryRunner, metadata: EntityMetadata, values: readonly ObjectLiteral[]): void {
    const inputs = values.flatMap((one) => this.fields.of(metadata).flatMap((field) => field.inputsIn(one)));
    const changes = inputs.flatMap((input) => this.#fresh.get(input as Attachment) ?? []);
    for (const input of inputs) this.#fresh.delete(input as Attachment);
    this.#transactions.get(queryRunner)?.written(changes);
  }

  /** Executes a statement whose rows, and the files that go with them, are known. */
  async delete<Result>(queryRunner: QueryRunner, execute: () => Promise<Result>): Promise<Result> {
    this.#deleting.add(queryRunner);
    try {
      return await execute();
    } finally {
      this.#deleting.delete(queryRunner);
      this.removed(queryRunner);
    }
  }

  /** Changes without a value, of the statement that was executed last. */
  removed(queryRunner: QueryRunner): void {
    this.#transactions.get(queryRunner)?.removed();
  }

  #changes(queryRunner: QueryRunner): Changes {
    if (!queryRunner.isTransactionActive)
      throw new DepotError(
        'ATTACHMENT_UNSUPPORTED',
        'Attachments are saved in a transaction: leave out { transaction: false }',
      );
    const open = this.#transactions.get(queryRunner);
    if (open) return open;
    const changes = new Changes(this.#attachments.begin(executorOf(queryRunner)));
    this.#transactions.set(queryRunner, changes);
    this.#watchRelease(queryRunner);
    return changes;
  }

  /**
   * A connection that is lost ends a transaction without a word. The one that there is to SQLite is everybody's: whoever
   * has read something gives it back, and it goes on.
   */
  #watchRelease(queryRunner: QueryRunner): void {
    if (this.#watched.has(queryRunner)) return;
    this.#watched.add(queryRunner);
    const release = queryRunner.release.bind(queryRunner);
    queryRunner.release = async () => {
      try {
        await release();
      } finally {
        if (queryRunner.isReleased) await this.#settle(queryRunner, 'unknown');
      }
    };
  }

  async #settle(queryRunner: QueryRunner, outcome: 'committed' | 'rolledBack' | 'unknown'): Promise<void> {
    const changes = this.#transactions.get(queryRunner);
    this.#transactions.delete(queryRunner);
    this.#inDoubt.delete(queryRunner);
    await changes?.unit.settle(outcome);
  }

  /** A row of an entity that is saved. */
  async #update({
    queryRunner,
    metadata,
    entity,
    databaseEntity,
    updatedColumns,
  }: UpdateEvent<ObjectLiteral>) {
    if (!entity || !databaseEntity) return;
    // What is set to null has nothing to be stored, and is left to the statement.
    const fields = this.fields
      .of(metadata)
      .filter((field) => updatedColumns.includes(field.column) && field.inputsIn(entity).length > 0);
    if (fields.length === 0) return;
    const [row] = await lockedRows(queryRunner, metadata, fields, whereIs(metadata, databaseEntity));
    if (row)
      await settled(
        fields.map((field) => this.replace(queryRunner, field, entity, field.attachmentsIn(row))),
      );
  }

  /**
   * One for each entity: TypeORM computes anew what has changed where somebody has listened. Who listens to a class is
   * told of those that extend it too, which have one of their own.
   */
  #entitySubscribers({ entityMetadatas }: DataSource): EntitySubscriberInterface[] {
    const withFields = entityMetadatas.filter((metadata) => this.fields.of(metadata).length > 0);
    return withFields.map(({ target }) => ({
      listenTo: () => target,
      beforeInsert: async ({ queryRunner, metadata, entity }) => {
        if (entity && metadata.target === target) await this.store(queryRunner, metadata, [entity]);
      },
      beforeUpdate: async (event) => {
        if (event.metadata.target === target) await this.#update(event);
      },
    }));
  }

  #transactionSubscriber(): EntitySubscriberInterface {
    return {
      beforeQuery: ({ queryRunner, query }) => {
        if (ROLLBACK.test(query)) this.#transactions.get(queryRunner)?.unit.rolledBackInPart();
        const [, tableName] = EMPTYING.exec(query) ?? [];
        if (tableName === undefined || this.#deleting.has(queryRunner)) return;
        if (this.fields.isNeeded(tableName))
          throw new DepotError(
            'ATTACHMENT_UNSUPPORTED',
            'clear() leaves the files of attachments: use delete()',
          );
      },
      // After a failed statement, PostgreSQL answers COMMIT with a rollback, which looks like success.
      afterQuery: async ({ queryRunner, query, success, error }) => {
        if (success) return;
        if (query === 'COMMIT' && !isRefusal(queryRunner, error)) this.#inDoubt.add(queryRunner);
        await this.#transactions.get(queryRunner)?.fail(error);
      },
      afterTransactionCommit: async ({ queryRunner }) => {
        if (!queryRunner.isTransactionActive) await this.#settle(queryRunner, 'committed');
      },
      afterTransactionRollback: async ({ queryRunner }) => {
        if (queryRunner.isTransactionActive) this.#transactions.get(queryRunner)?.unit.rolledBackInPart();
        else await this.#settle(queryRunner, this.#inDoubt.has(queryRunner) ? 'unknown' : 'rolledBack');
      },
    };
  }
}

/**
 * Whether the database has said that it did not do a statement. Otherwise it may be done after the driver has given up
 * waiting for it, and a ROLLBACK that comes then is answered with success.
 */
function isRefusal({ dataSource }: QueryRunner, error: unknown): boolean {
  return dataSource.options.type !== 'postgres' || Object(error).severity === 'ERROR';
}

/** Waits for all, so that nothing is under way any more when one has failed. */
async function settled(acts: readonly (Promise<void> | undefined)[]): Promise<void> {
  const outcomes = await Promise.allSettled(acts);
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) throw failure.reason;
}
