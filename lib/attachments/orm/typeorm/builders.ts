import {
  DeleteQueryBuilder,
  type DeleteResult,
  type EntityMetadata,
  InsertQueryBuilder,
  type InsertResult,
  type ObjectLiteral,
  QueryBuilder,
  type QueryRunner,
  UpdateQueryBuilder,
  type UpdateResult,
} from 'typeorm';
import { DepotError } from '../../../errors.js';
import type { Attachment } from '../../attachment.js';
import type { FieldColumn } from './fields.js';
import { type Following, followingOf } from './following.js';
import { lockedRows, type Where, whereRefers } from './rows.js';

/** Rows whose keys one statement names, at most. */
const KEYS_AT_ONCE = 500;

/**
 * Has TypeORM make the builders below, through which all that it writes goes: `save` and `remove` too. They leave data
 * sources without attachments alone.
 */
export function registerBuilders(): void {
  type Source = QueryBuilder<ObjectLiteral>;
  QueryBuilder.registerQueryBuilderClass(
    'InsertQueryBuilder',
    (source: Source) => new AttachmentInsert(source as never),
  );
  QueryBuilder.registerQueryBuilderClass(
    'UpdateQueryBuilder',
    (source: Source) => new AttachmentUpdate(source as never),
  );
  QueryBuilder.registerQueryBuilderClass(
    'DeleteQueryBuilder',
    (source: Source) => new AttachmentDelete(source as never),
  );
}

/** Rows that are new. */
class AttachmentInsert extends InsertQueryBuilder<ObjectLiteral> {
  override async execute(): Promise<InsertResult> {
    const scope = scopeOf(this);
    if (!scope || scope.fields.length === 0) return super.execute();
    const { onUpdate, onIgnore, insertFromSelect, callListeners } = this.expressionMap;
    const entities = insertFromSelect ? [] : this.getValueSets();
    const isUsed = entities.some((entity) => scope.fields.some((field) => field.inputsIn(entity).length > 0));
    if (insertFromSelect) throw unsupported('INSERT … SELECT copies attachments without their files');
    if (!isUsed) return super.execute();
    if (onUpdate || onIgnore)
      throw unsupported(
        'An upsert does not tell which rows it has replaced: save them, or insert and update',
      );
    return inTransaction(this, async (queryRunner) => {
      // Else the subscriber does the same.
      if (!callListeners) await scope.following.store(queryRunner, scope.metadata, entities);
      const result = await super.execute();
      scope.following.written(queryRunner, scope.metadata, entities);
      return result;
    });
  }
}

/** Rows that are changed. */
class AttachmentUpdate extends UpdateQueryBuilder<ObjectLiteral> {
  override async execute(): Promise<UpdateResult> {
    const scope = scopeOf(this);
    const values = this.expressionMap.valuesSet;
    const fields =
      scope && values
        ? scope.fields.filter((field) => field.valueIn(values as ObjectLiteral) !== undefined)
        : [];
    if (!scope || fields.length === 0) return super.execute();
    // The application may give them to another row.
    const given = fields.map((field) => [field.column, field.valueIn(values as ObjectLiteral)] as const);
    const act = async (queryRunner: QueryRunner) => {
      await this.#follow(queryRunner, scope, fields);
      const result = await super.execute();
      scope.following.written(queryRunner, scope.metadata, [values as ObjectLiteral]);
      scope.following.removed(queryRunner);
      return result;
    };
    return inTransaction(this, act).finally(() => {
      for (const [column, value] of given) column.setEntityValue(values as ObjectLiteral, value);
    });
  }

  async #follow(queryRunner: QueryRunner, scope: Scope, fields: readonly FieldColumn[]): Promise<void> {
    const values = this.expressionMap.valuesSet as ObjectLiteral;
    const unstored = fields.filter((field) => !scope.following.isFresh(field, values));
    if (unstored.length === 0) return;
    const rows = await lockedRows(queryRunner, scope.metadata, unstored, this.#where());
    for (const field of unstored) await this.#replace(scope.following, queryRunner, field, rows);
  }

  async #replace(
    following: Following,
    queryRunner: QueryRunner,
    field: FieldColumn,
    rows: readonly ObjectLiteral[],
  ): Promise<void> {
    const values = this.expressionMap.valuesSet as ObjectLiteral;
    if (typeof field.valueIn(values) === 'function')
      throw unsupported('SQL for an attachment: nobody knows which file it leads to');
    const old = rows.flatMap((row) => field.attachmentsIn(row));
    if (rows.length === 0) field.set(values, []);
    else if (field.inputsIn(values).length === 0) await following.remove(queryRunner, old);
    else if (rows.length > 1)
      throw unsupported(`One attachment for ${rows.length} rows: save them one by one`);
    else await following.replace(queryRunner, field, values, old);
  }

  #where(): Where {
    return whereOf(this, this.createWhereExpression(), (sql) =>
      this.replacePropertyNamesForTheWholeQuery(sql),
    );
  }
}

/** Rows that are deleted, and others that the database deletes with them. */
class AttachmentDelete extends DeleteQueryBuilder<ObjectLiteral> {
  override async execute(): Promise<DeleteResult> {
    const scope = scopeOf(this);
    if (!scope) return super.execute();
    const cascades = scope.following.fields.cascadesFrom(scope.metadata);
    if (scope.fields.length === 0 && cascades.length === 0) return super.execute();
    const where = whereOf(this, this.createWhereExpression(), (sql) =>
      this.replacePropertyNamesForTheWholeQuery(sql),
    );
    return inTransaction(this, async (queryRunner) => {
      const old = await doomed(scope.following, queryRunner, scope.metadata, where);
      await scope.following.remove(queryRunner, old);
      return scope.following.delete(queryRunner, () => super.execute());
    });
  }
}

/** What a builder is about, if that has to do with attachments. */
interface Scope {
  readonly following: Following;
  readonly metadata: EntityMetadata;
  readonly fields: readonly FieldColumn[];
}

function scopeOf({
  dataSource,
  expressionMap: { mainAlias },
}: QueryBuilder<ObjectLiteral>): Scope | undefined {
  const following = followingOf(dataSource);
  if (!following || !mainAlias?.hasMetadata) return undefined;
  return { following, metadata: mainAlias.metadata, fields: following.fields.of(mainAlias.metadata) };
}

/** Runs in the transaction that is open, or in one of its own. */
async function inTransaction<Result>(
  builder: QueryBuilder<ObjectLiteral>,
  act: (queryRunner: QueryRunner) => Promise<Result>,
): Promise<Result> {
  const given = (builder as unknown as { queryRunner?: QueryRunner }).queryRunner;
  const queryRunner = given ?? builder.dataSource.createQueryRunner('master');
  if (queryRunner.isTransactionActive) return act(queryRunner);
  builder.setQueryRunner(queryRunner);
  try {
    return await transacted(queryRunner, () => act(queryRunner));
  } finally {
    builder.setQueryRunner(given as QueryRunner);
    if (!given) await queryRunner.release();
  }
}

async function transacted<Result>(queryRunner: QueryRunner, act: () => Promise<Result>): Promise<Result> {
  await queryRunner.startTransaction();
  try {
    const result = await act();
    await queryRunner.commitTransaction();
    return result;
  } catch (error) {
    // What it failed with says more than that the rollback failed too.
    await queryRunner.rollbackTransaction().catch(() => {});
    throw error;
  }
}

/** The very condition of a statement: no alias, the same parameters. */
function whereOf(
  builder: QueryBuilder<ObjectLiteral>,
  expression: string,
  replaceNames: (sql: string) => string,
): Where {
  const { dataSource } = builder;
  const [sql, parameters] = dataSource.driver.escapeQueryWithParameters(
    replaceNames(expression),
    builder.getParameters(),
  );
  return { sql, parameters };
}

/** All attachments that go when these rows are deleted. */
async function doomed(
  following: Following,
  queryRunner: QueryRunner,
  metadata: EntityMetadata,
  where: Where,
  seen = new Set<string>(),
): Promise<Attachment[]> {
  const fields = following.fields.of(metadata);
  const cascades = following.fields.cascadesFrom(metadata);
  const primaryKey = metadata.primaryColumns.map(({ databaseName }) => databaseName);
  const keys = [...primaryKey, ...cascades.flatMap(({ referencedColumnNames }) => referencedColumnNames)];
  const found = await lockedRows(queryRunner, metadata, fields, where, keys);
  // Rows may refer to each other in a circle.
  const rows = found.filter((row) => {
    const name = JSON.stringify([metadata.name, ...primaryKey.map((key) => String(row[key]))]);
    return !seen.has(name) && seen.add(name);
  });
  const attachments = rows.flatMap((row) => fields.flatMap((field) => field.attachmentsIn(row)));
  for (const cascade of cascades)
    for (const part of partsOf(rows))
      attachments.push(
        ...(await doomed(
          following,
          queryRunner,
          cascade.child,
          whereRefers(queryRunner.dataSource, cascade, part),
          seen,
        )),
      );
  return attachments;
}

function partsOf<Item>(items: readonly Item[]): Item[][] {
  const count = Math.ceil(items.length / KEYS_AT_ONCE);
  return Array.from({ length: count }, (_part, index) =>
    items.slice(index * KEYS_AT_ONCE, (index + 1) * KEYS_AT_ONCE),
  );
}

function unsupported(message: string): DepotError {
  return new DepotError('ATTACHMENT_UNSUPPORTED', message);
}
