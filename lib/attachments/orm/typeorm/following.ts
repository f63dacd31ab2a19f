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

const BEGIN = /^(?:START|BEGIN) TRANSACTION$/;

/** Also of SQL that the application has written. */
const ROLLBACK = /^\s*ROLLBACK\b/i;
const ROLLBACK_TO_SAVEPOINT = /^\s*ROLLBACK\b.*\bTO\b/is;

/** Files follow the transactions of one data source. */
export class Following {
  readonly fields: FieldMap;
  /** Whether another may take its place. */
  isClosed = false;
  readonly #dataSource: DataSource;
  readonly #subscribers: readonly EntitySubscriberInterface[];
  readonly #attachments: Attachments<SqlExecutor>;
  readonly #transactions = new WeakMap<QueryRunner, Changes>();
  readonly #watched = new WeakSet<QueryRunner>();
  /** Those whose COMMIT has failed, and may have been done nevertheless. */
  readonly #inDoubt = new WeakSet<QueryRunner>();

  constructor(dataSource: DataSource, attachments: Attachments<SqlExecutor>, fields: FieldMap) {
    this.fields = fields;
    this.#attachments = attachments;
    FOLLOWING.set(dataSource, this);
    this.#dataSource = dataSource;
    const first = this.#transactionSubscriber();
    const others = this.#entitySubscribers(dataSource);
    this.#subscribers = [first, ...others];
    // One that throws keeps those behind it from hearing of the end of a transaction.
    dataSource.subscribers.unshift(first);
    dataSource.subscribers.push(...others);
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
    const storeNew = async (field: FieldColumn, entity: ObjectLiteral) => {
      const isNew = (change: Change) => change.old.length === 0;
      if (!this.#changesFor(queryRunner, field, entity)?.every(isNew))
        await this.replace(queryRunner, field, entity, []);
    };
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
    const given = field.valueIn(values);
    const { stored } = await this.#changes(queryRunner).make(async (unit) => {
      const stored = await unit.storeList(field.field, field.inputsIn(values), old);
      const kept = new Set(stored.map(({ path }) => path));
      return { stored, old: old.filter(({ path }) => !kept.has(path)) };
    });
    // Of a save that has failed meanwhile, the application may have gone on with something else.
    if (field.valueIn(values) === given) field.set(values, stored);
  }

  /** Removes what a statement has taken out of its rows. */
  async remove(queryRunner: QueryRunner, old: readonly Attachment[]): Promise<void> {
    if (old.length > 0) await this.#changes(queryRunner).unit.remove(old);
  }

  /** Whether this was stored already, for a statement of this transaction that is still to come. */
  isStored(queryRunner: QueryRunner, field: FieldColumn, values: ObjectLiteral): boolean {
    return this.#changesFor(queryRunner, field, values) !== undefined;
  }

  /** Executes a statement with these values; before that, it may store what they hold. */
  async write<Result>(
    queryRunner: QueryRunner,
    metadata: EntityMetadata,
    values: readonly ObjectLiteral[],
    execute: () => Promise<Result>,
  ): Promise<Result> {
    const inputs = () =>
      values.flatMap((one) => this.fields.of(metadata).flatMap((field) => field.inputsIn(one)));
    try {
      const result = await execute();
      const changes = this.#transactions.get(queryRunner);
      changes?.written(changes.of(inputs()));
      return result;
    } catch (error) {
      const changes = this.#transactions.get(queryRunner);
      await changes?.takeBack(changes.of(inputs()));
      throw error;
    }
  }

  /** The changes by which all that a field was given was stored already. */
  #changesFor(
    queryRunner: QueryRunner,
    field: FieldColumn,
    values: ObjectLiteral,
  ): readonly Change[] | undefined {
    const inputs = field.inputsIn(values);
    const found = this.#transactions.get(queryRunner)?.of(inputs) ?? [];
    return inputs.length > 0 && found.length === inputs.length ? found : undefined;
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
        this.#refuseEmptying(query);
        const changes = this.#transactions.get(queryRunner);
        if (!changes) return undefined;
        if (ROLLBACK.test(query)) changes.unit.rolledBackInPart();
        if (query === 'COMMIT') return changes.close();
        // Of a transaction whose end was kept from us.
        return BEGIN.test(query) ? this.#settle(queryRunner, 'unknown') : undefined;
      },
      afterQuery: async ({ queryRunner, query, success, error }) => {
        const changes = this.#transactions.get(queryRunner);
        if (success && ROLLBACK_TO_SAVEPOINT.test(query)) await changes?.rolledBackInPart();
        if (success) return;
        // After a failed statement, PostgreSQL answers COMMIT with a rollback, which looks like success.
        changes?.unit.rolledBackInPart();
        if (query === 'COMMIT' && !isRefusal(queryRunner, error)) this.#inDoubt.add(queryRunner);
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

  #refuseEmptying(query: string): void {
    const [, tableName] = EMPTYING.exec(query) ?? [];
    if (tableName === undefined || !this.fields.isNeeded(tableName)) return;
    throw new DepotError('ATTACHMENT_UNSUPPORTED', 'clear() leaves the files of attachments: use delete()');
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
