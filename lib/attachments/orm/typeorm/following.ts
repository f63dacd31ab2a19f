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
import type { UnitOfWork } from '../../unit-of-work.js';
import { executorOf } from './database.js';
import type { FieldColumn, FieldMap } from './fields.js';
import { lockedRows, whereIs } from './rows.js';

type Unit = UnitOfWork<SqlExecutor>;

const FOLLOWING = new WeakMap<DataSource, Following>();

/** What follows the transactions of a data source, if it has attachments. */
export function followingOf(dataSource: DataSource): Following | undefined {
  return FOLLOWING.get(dataSource);
}

/** Files follow the transactions of one data source. */
export class Following {
  readonly fields: FieldMap;
  readonly #attachments: Attachments<SqlExecutor>;
  readonly #units = new WeakMap<QueryRunner, Unit>();
  /** Stored for an entity, and not written yet: the statement that comes has nothing to store any more. */
  readonly #fresh = new WeakSet<Attachment>();

  constructor(dataSource: DataSource, attachments: Attachments<SqlExecutor>, fields: FieldMap) {
    this.fields = fields;
    this.#attachments = attachments;
    FOLLOWING.set(dataSource, this);
    dataSource.subscribers.push(this.#transactionSubscriber(), ...this.#entitySubscribers(dataSource));
  }

  /** Stores what new rows are given, in the entities or sets of values that they are made of. */
  async store(
    queryRunner: QueryRunner,
    metadata: EntityMetadata,
    entities: readonly ObjectLiteral[],
  ): Promise<void> {
    const stores = entities.flatMap((entity) =>
      this.fields.of(metadata).map((field) => this.#storeNew(queryRunner, field, entity)),
    );
    await settled(stores);
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
    const stored = await this.#unit(queryRunner).storeList(field.field, field.inputsIn(values), old);
    field.set(values, stored);
    for (const attachment of stored) this.#fresh.add(attachment);
  }

  /** Whether this was stored for an entity already, for the statement that comes now. */
  takeFresh(field: FieldColumn, values: ObjectLiteral): boolean {
    const inputs = field.inputsIn(values);
    const isFresh = inputs.length > 0 && inputs.every((input) => this.#fresh.has(input as Attachment));
    if (isFresh) for (const input of inputs) this.#fresh.delete(input as Attachment);
    return isFresh;
  }

  async remove(queryRunner: QueryRunner, old: readonly Attachment[]): Promise<void> {
    if (old.length > 0) await this.#unit(queryRunner).remove(...old);
  }

  async #storeNew(queryRunner: QueryRunner, field: FieldColumn, entity: ObjectLiteral): Promise<void> {
    const inputs = field.inputsIn(entity);
    if (inputs.length === 0 || this.takeFresh(field, entity)) return;
    const stored = await this.#unit(queryRunner).storeList(field.field, inputs);
    field.set(entity, stored);
    for (const attachment of stored) this.#fresh.add(attachment);
  }

  #unit(queryRunner: QueryRunner): Unit {
    if (!queryRunner.isTransactionActive)
      throw new DepotError(
        'ATTACHMENT_UNSUPPORTED',
        'Attachments are saved in a transaction: leave out { transaction: false }',
      );
    const open = this.#units.get(queryRunner);
    if (open) return open;
    const unit = this.#attachments.begin(executorOf(queryRunner));
    this.#units.set(queryRunner, unit);
    this.#watchRelease(queryRunner, unit);
    return unit;
  }

  /** A connection that is lost ends a transaction without a word. */
  #watchRelease(queryRunner: QueryRunner, unit: Unit): void {
    const release = queryRunner.release;
    queryRunner.release = async () => {
      queryRunner.release = release;
      if (this.#units.get(queryRunner) === unit) await this.#settle(queryRunner, 'unknown');
      await release.call(queryRunner);
    };
  }

  async #settle(queryRunner: QueryRunner, outcome: 'committed' | 'rolledBack' | 'unknown'): Promise<void> {
    const unit = this.#units.get(queryRunner);
    this.#units.delete(queryRunner);
    await unit?.settle(outcome);
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

  /** One for each entity: TypeORM computes anew what has changed where somebody has listened. */
  #entitySubscribers({ entityMetadatas }: DataSource): EntitySubscriberInterface[] {
    const withFields = entityMetadatas.filter((metadata) => this.fields.of(metadata).length > 0);
    return withFields.map(({ target }) => ({
      listenTo: () => target,
      beforeInsert: async ({ queryRunner, metadata, entity }) => {
        if (entity) await this.store(queryRunner, metadata, [entity]);
      },
      beforeUpdate: (event) => this.#update(event),
    }));
  }

  #transactionSubscriber(): EntitySubscriberInterface {
    return {
      afterTransactionCommit: async ({ queryRunner }) => {
        if (!queryRunner.isTransactionActive) await this.#settle(queryRunner, 'committed');
      },
      afterTransactionRollback: async ({ queryRunner }) => {
        if (queryRunner.isTransactionActive) this.#units.get(queryRunner)?.rolledBackInPart();
        else await this.#settle(queryRunner, 'rolledBack');
      },
    };
  }
}

/** Waits for all, so that nothing is under way any more when one has failed. */
async function settled(acts: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(acts);
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) throw failure.reason;
}
