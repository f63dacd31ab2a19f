import type { Content } from '../contract/content.js';
import type { Metadata } from '../contract/metadata.js';
import type { AttachmentFilter } from './filters.js';

/** What a field of a model takes, and what is done with it. */
export interface AttachmentFieldOptions {
  /** Name or alias of the storage for new files. @default the default storage at the time of the save */
  readonly storage?: string | undefined;
  /** Run in this order on every new file. @default [] */
  readonly filters?: readonly AttachmentFilter[] | undefined;
  /**
   * Media types (`image/png`), ranges (`image/*`) and endings of names (`.pdf`), checked against the content.
   * @default everything
   */
  readonly accept?: readonly string[] | undefined;
  /** Bytes, or text such as `'10mb'` (1 kb = 1024 bytes). @default no limit */
  readonly maxSize?: number | string | undefined;
  /** Changes what is stored, e.g. to a smaller image, before it is stored. @default as it is */
  readonly processContent?: ProcessContent | undefined;
}

/** The options of a field, checked. Made by `attachmentField`. */
export interface AttachmentField {
  readonly storage?: string | undefined;
  readonly filters: readonly AttachmentFilter[];
  /** Types that are accepted. */
  readonly accept: AcceptedTypes;
  /** Bytes. */
  readonly maxSize: number;
  readonly processContent?: ProcessContent | undefined;
}

export interface AcceptedTypes {
  /** As they were given, for messages. */
  readonly text: string;
  has(contentType: string): boolean;
}

/** Content on its way to a field, with what is said of it. */
export interface IncomingContent {
  readonly content: Content;
  readonly filename?: string | undefined;
  readonly contentType?: string | undefined;
  readonly metadata?: Metadata | undefined;
}

/** Gives what is stored in place of what came. What it throws refuses the attachment. */
export type ProcessContent = (incoming: IncomingContent) => Promise<IncomingContent> | IncomingContent;

/**
 * Checks the options of a field; what it has checked is given back as it is.
 * @throws DepotError `INVALID_OPTION`
 */
export declare function attachmentField(options?: AttachmentFieldOptions | AttachmentField): AttachmentField;
