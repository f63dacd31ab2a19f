import type { DataSource, EntityMetadata, ObjectLiteral } from 'typeorm';
import type { ColumnMetadata } from 'typeorm/metadata/ColumnMetadata.js';
import type { Attachment, AttachmentInput } from '../../attachment.js';
import type { AttachmentField } from '../../field.js';
import { AttachmentTransformer } from './column.js';

/** A column that holds attachments. */
export class FieldColumn {
  readonly column: ColumnMetadata;
  readonly field: AttachmentField;
  readonly isList: boolean;

  constructor(column: ColumnMetadata, { field, isList }: AttachmentTransformer) {
    this.column = column;
    this.field = field;
    this.isList = isList;
  }

  /** What an entity, or a set of values, has been given: undefined where it is not set. */
  valueIn(entity: ObjectLiteral): unknown {
    return this.column.getEntityValue(entity);
  }

  /** The same as a list. */
  inputsIn(entity: ObjectLiteral): AttachmentInput[] {
    const value = this.valueIn(entity);
    if (value === null || value === undefined) return [];
    return this.isList && Array.isArray(value) ? value : [value as AttachmentInput];
  }

  set(entity: ObjectLiteral, attachments: readonly Attachment[]): void {
    this.column.setEntityValue(entity, this.isList ? attachments : (attachments[0] ?? null));
  }

  /** The attachments that a row of a driver's holds. */
  attachmentsIn(row: ObjectLiteral): Attachment[] {
    const { driver } = this.column.entityMetadata.dataSource;
    const value = driver.prepareHydratedValue(row[this.column.databaseName], this.column);
    return [value].flat().filter((one) => one !== null && one !== undefined);
  }
}

/** Which columns of a data source hold attachments, and which rows go with others by a cascade of the database. */
export class FieldMap {
  readonly #fields = new Map<EntityMetadata, readonly FieldColumn[]>();
  readonly #dataSource: DataSource;

  /** Has the columns read and write attachments from now on. */
  constructor(dataSource: DataSource, read: (value: unknown) => Attachment | null) {
    this.#dataSource = dataSource;
    for (const metadata of dataSource.entityMetadatas)
      this.#fields.set(
        metadata,
        metadata.columns.flatMap((column) => bound(column, read)),
      );
  }

  of(metadata: EntityMetadata): readonly FieldColumn[] {
    return this.#fields.get(metadata) ?? [];
  }

  /** Of all entities, each column of the database once. */
  all(): readonly FieldColumn[] {
    const columns = new Map<string, FieldColumn>();
    for (const [metadata, fields] of this.#fields)
      for (const field of fields) columns.set(`${metadata.tablePath} ${field.column.databaseName}`, field);
    return [...columns.values()];
  }

  /** Whether files would be left behind if a table were emptied. */
  isNeeded(tableName: string): boolean {
    return this.#dataSource.entityMetadatas.some(
      (metadata) => metadata.tableName === tableName && this.#losesFiles(metadata),
    );
  }

  /** Foreign keys by which the database deletes rows with attachments, or others that lead to such, with a row of these. */
  cascadesFrom(metadata: EntityMetadata): Cascade[] {
    return this.#allCascadesFrom(metadata).filter(({ child }) => this.#losesFiles(child));
  }

  /** Whether files go with rows of an entity, its own or those of rows that go with them. */
  #losesFiles(metadata: EntityMetadata, seen = new Set<EntityMetadata>()): boolean {
    if (seen.has(metadata)) return false;
    seen.add(metadata);
    const isLost = ({ child }: Cascade) => this.#losesFiles(child, seen);
    return this.of(metadata).length > 0 || this.#allCascadesFrom(metadata).some(isLost);
  }

  #allCascadesFrom({ tablePath }: EntityMetadata): Cascade[] {
    return this.#dataSource.entityMetadatas.flatMap((child) =>
      child.foreignKeys
        .filter((key) => key.onDelete === 'CASCADE' && key.referencedEntityMetadata.tablePath === tablePath)
        .map(({ columnNames, referencedColumnNames }) => ({ child, columnNames, referencedColumnNames })),
    );
  }
}

/** Rows of `child` go with the rows that they refer to. */
export interface Cascade {
  readonly child: EntityMetadata;
  readonly columnNames: readonly string[];
  readonly referencedColumnNames: readonly string[];
}

function bound(column: ColumnMetadata, read: (value: unknown) => Attachment | null): FieldColumn[] {
  const { transformer } = column;
  if (!(transformer instanceof AttachmentTransformer)) return [];
  const own = transformer.boundTo(read);
  column.transformer = own;
  return [new FieldColumn(column, own)];
}
