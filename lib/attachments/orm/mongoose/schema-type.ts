import type { Mongoose, SchemaType } from 'mongoose';
import type { Content } from '../../../contract/content.js';
import { Attachment, attach } from '../../attachment.js';
import type { AttachmentField } from '../../field.js';
import { assertGenuine } from '../../incoming.js';
import { assigned, noteLoaded } from './assignments.js';

/** The name under which mongoose knows the type. */
const TYPE_NAME = 'Attachment';

/** What a path of the schema needs to know; among its options. */
export interface PathSettings {
  readonly field: AttachmentField;
  /** What a row holds, as an attachment. @throws DepotError `INVALID_ATTACHMENT` */
  read(value: unknown): Attachment | null;
}

/** Paths of this type have their settings in this option. */
export interface PathOptions {
  readonly attachment: PathSettings;
}

/** What is used of mongoose's own class. */
type PathConstructor = new (
  path: string,
  options: PathOptions,
  instance: string,
  parentSchema: unknown,
) => { readonly options: PathOptions };

/** The schema type of a mongoose, made when it is first asked for: there may be several mongooses in a process. */
export function attachmentType(mongoose: Mongoose): typeof SchemaType {
  const types = mongoose.Schema.Types as unknown as Record<string, typeof SchemaType>;
  types[TYPE_NAME] ??= createType(mongoose.SchemaType as unknown as PathConstructor);
  return types[TYPE_NAME];
}

/** Whether a path of a schema holds an attachment. */
export function isAttachmentPath(type: object): boolean {
  return 'instance' in type && type.instance === TYPE_NAME;
}

function createType(Path: PathConstructor): typeof SchemaType {
  class AttachmentPath extends Path {
    static readonly schemaName = TYPE_NAME;

    constructor(path: string, options: PathOptions, _schemaOptions: unknown, parentSchema: unknown) {
      super(path, options, TYPE_NAME, parentSchema);
    }

    /**
     * Called for every value but null.
     * @param holder the document, or the query
     * @param isLoaded whether it comes from the database
     */
    cast(value: unknown, holder: unknown, isLoaded?: boolean): unknown {
      const { attachment } = this.options;
      if (isLoaded) return loaded(value, attachment, holder);
      return assigned(toAttachment(value), attachment.field, holder);
    }
  }
  return AttachmentPath as unknown as typeof SchemaType;
}

/** What is no attachment stays what it is: others have put it there, or only a part of it was selected. */
function loaded(value: unknown, { field, read }: PathSettings, holder: unknown): unknown {
  try {
    const attachment = read(value);
    if (attachment) noteLoaded(attachment, field, holder);
    return attachment;
  } catch {
    return value;
  }
}

/** @throws DepotError `INVALID_CONTENT` for what a client's JSON may look like, since documents are often made of that */
function toAttachment(value: unknown): Attachment {
  if (value instanceof Attachment) return value;
  assertGenuine(value);
  return attach(value as Content);
}
