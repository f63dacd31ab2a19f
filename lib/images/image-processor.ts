import type { ImageFormat, OutputFormat } from './formats.js';
import type { Frame, Size } from './geometry.js';

/** The bytes of an image, or where they are on this machine. */
export type ImageInput = Uint8Array | { readonly path: string };

/** A picture that is to be made of an image. Metadata of the original is never kept in it. */
export interface RenditionRequest extends Frame {
  /** @default that of the image */
  readonly format?: OutputFormat | undefined;
  /** From 1 to 100, of formats that lose something. @default set by the format */
  readonly quality?: number | undefined;
  /** Whether JPEG and PNG come into sight step by step; costs several times the work. @default false */
  readonly progressive?: boolean | undefined;
  /** Whether it is left out where the image fits into the frame as it is. @default false */
  readonly onlyIfLarger?: boolean | undefined;
}

/** A picture that was made. */
export interface Rendition extends Size {
  readonly content: Buffer;
  readonly format: OutputFormat;
}

/** What an image is. */
export interface ImageFacts extends Size {
  readonly format: ImageFormat;
  /** Frames of an animation, or pages; 1 for most. */
  readonly pages: number;
  readonly animated: boolean;
}

/** All that is wanted of an image. */
export interface ImageRequest {
  /** Nothing keeps a place free in the answer. */
  readonly renditions: readonly (RenditionRequest | undefined)[];
  /** Whether a tiny picture is wanted that stands for the image until that is there. */
  readonly placeholder: boolean;
}

/** All that was made. */
export interface ProcessedImage {
  /** Width and height as people see them: the EXIF orientation is applied. */
  readonly facts: ImageFacts;
  /** As they were asked for; nothing for one that was left out or not wanted. */
  readonly renditions: readonly (Rendition | undefined)[];
  /** A `data:` URI of at most 300 characters. */
  readonly placeholder?: string | undefined;
}

/** Makes pictures of pictures. */
export interface ImageProcessor {
  /**
   * Decodes an image, and makes all that is wanted from that. Without a wish, it still finds out whether the image is whole.
   * @throws DepotError `IMAGE_NOT_ACCEPTED` for what is no image, or of a format that is not read; `IMAGE_INVALID` for a
   *   broken one; `IMAGE_TOO_LARGE`, `IMAGE_TIMEOUT`; `MISSING_PACKAGE`; `IMAGE_FAILED` where a picture cannot be written
   */
  process(input: ImageInput, request: ImageRequest, signal?: AbortSignal): Promise<ProcessedImage>;
}
