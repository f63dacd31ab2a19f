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
import { partsOf } from '../../../internal/parts.js';
import type { Attachment } from '../../attachment.js';
import type { FieldColumn } from './fields.js';
import { type Following, followingOf } from './following.js';
import {
  keyOf,
  lockedRows,
  primaryKey,
  type Rows,
  restrict,
  type Where,
  whereRefers,
  whereSame,
} from './rows.js';

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
    const overwritten = onUpdate?.overwrite ?? onUpdate?.columns ?? [];
    const isOverwritten = scope.fields.some(({ column }) => overwritten.includes(column.databaseName));
    if (insertFromSelect) throw unsupported('INSERT … SELECT copies attachments without their files');
    if (isOverwritten || (isUsed && (onUpdate || onIgnore)))
      throw unsupported(
        'An upsert does not tell which rows it has replaced: save them, or insert and update',
      );
    if (!isUsed) return super.execute();
    return inTransaction(this, (queryRunner) =>
      scope.following.write(queryRunner, scope.metadata, entities, async () => {
        // Else the subscriber does the same.
        if (!callListeners) await scope.following.store(queryRunner, scope.metadata, entities);
        return super.execute();
      }),
    );
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
      let removed: readonly Attachment[] = [];
      const result = await scope.following.write(
        queryRunner,
        scope.metadata,
        [values as ObjectLiteral],
        async () => {
          removed = await this.#follow(queryRunner, scope, fields);
          return super.execute();
        },
      );
      await scope.following.remove(queryRunner, removed);
      return result;
    };
    return inTransaction(this, act).finally(() => {
      this.expressionMap.extraAppendedAndWhereCondition = '';
      for (const [column, value] of given) column.setEntityValue(values as ObjectLiteral, value);
    });
  }

  /** Stores what the rows are changed to, and gives what nothing takes the place of. */
  async #follow(
    queryRunner: QueryRunner,
    scope: Scope,
    fields: readonly FieldColumn[],
  ): Promise<Attachment[]> {
    const values = this.expressionMap.valuesSet as ObjectLiteral;
    // Of a row that is saved, the subscriber has stored it.
    const isSaved = this.expressionMap.whereEntities.length > 0;
    const unstored = fields.filter(
      (field) => !isSaved || !scope.following.isStored(queryRunner, field, values),
    );
    if (unstored.length === 0) return [];
    const rows = await lockedRows(queryRunner, scope.metadata, unstored, this.#where());
    restrict(this, { metadata: scope.metadata, rows });
    const removed: (readonly Attachment[])[] = [];
    for (const field of unstored)
      removed.push(await this.#replace(scope.following, queryRunner, field, rows));
    return removed.flat();
  }

  async #replace(
    following: Following,
    queryRunner: QueryRunner,
    field: FieldColumn,
    rows: readonly ObjectLiteral[],
  ): Promise<readonly Attachment[]> {
    const values = this.expressionMap.valuesSet as ObjectLiteral;
    if (typeof field.valueIn(values) === 'function')
      throw unsupported('SQL for an attachment: nobody knows which file it leads to');
    const old = rows.flatMap((row) => field.attachmentsIn(row));
    if (field.inputsIn(values).length === 0) return old;
    if (rows.length > 1) throw unsupported(`One attachment for ${rows.length} rows: save them one by one`);
    if (rows.length === 0) field.set(values, []);
    else await following.replace(queryRunner, field, values, old);
    return [];
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
      const before = await doomed(scope.following, queryRunner, scope.metadata, where);
      restrict(this, before[0]);
      const result = await super.execute();
      await scope.following.remove(queryRunner, await attachmentsGone(scope.following, queryRunner, before));
      return result;
    }).finally(() => {
      this.expressionMap.extraAppendedAndWhereCondition = '';
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

/** The rows that are to be deleted, and after them those that the database will delete with them. */
async function doomed(
  following: Following,
  queryRunner: QueryRunner,
  metadata: EntityMetadata,
  where: Where,
  seen = new Set<string>(),
): Promise<[Rows, ...Rows[]]> {
  const cascades = following.fields.cascadesFrom(metadata);
  const referred = cascades.flatMap(({ referencedColumnNames }) => referencedColumnNames);
  const keys = [...primaryKey(metadata), ...referred];
  const found = await lockedRows(queryRunner, metadata, following.fields.of(metadata), where, keys);
  // Rows may refer to each other in a circle.
  const rows = found.filter((row) => {
    const name = `${metadata.name} ${keyOf(row)}`;
    return !seen.has(name) && seen.add(name);
  });
  const below: Rows[] = [];
  for (const cascade of cascades)
    for (const { part } of partsOf(rows, KEYS_AT_ONCE)) {
      const refers = whereRefers(queryRunner.dataSource, cascade, part);
      below.push(...(await doomed(following, queryRunner, cascade.child, refers, seen)));
    }
  return [{ metadata, rows }, ...below];
}

/**
 * The attachments of those rows that are no more: tables need not have the foreign keys that entities declare, and a
 * policy or a trigger may keep rows.
 */
async function attachmentsGone(
  { fields }: Following,
  queryRunner: QueryRunner,
  before: readonly Rows[],
): Promise<Attachment[]> {
  const gone: Attachment[] = [];
  for (const { metadata, rows } of before) {
    const attachmentsOf = (row: ObjectLiteral) =>
      fields.of(metadata).flatMap((field) => field.attachmentsIn(row));
    const withFiles = rows.filter((row) => attachmentsOf(row).length > 0);
    for (const { part } of partsOf(withFiles, KEYS_AT_ONCE)) {
      const after = await lockedRows(queryRunner, metadata, [], whereSame({ metadata, rows: part }));
      const left = new Set(after.map(keyOf));
      gone.push(...part.filter((row) => !left.has(keyOf(row))).flatMap(attachmentsOf));
    }
  }
  return gone;
}

function unsupported(message: string): DepotError {
  return new DepotError('ATTACHMENT_UNSUPPORTED', message);
}
