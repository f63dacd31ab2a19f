import type { AttachmentFilter, FilterContext } from '../attachments/filters.js';
import { holdContent, MAX_IN_MEMORY } from './held-content.js';
import type {
  ImageFacts,
  ImageInput,
  ImageProcessor,
  ProcessedImage,
  Rendition,
  RenditionRequest,
} from './image-processor.js';
import { SharpProcessor } from './sharp-processor.js';

/** What every filter of images can be told. */
export interface ImageFilterOptions {
  /** Who processes the images, within limits of your own. @default one for all, with the default limits */
  readonly processor?: ImageProcessor | undefined;
}

/** What one filter wants of an image. */
export interface ImageWish {
  readonly rendition?: RenditionRequest | undefined;
  readonly placeholder?: boolean | undefined;
}

/** What one filter gets. */
export interface GrantedWish {
  readonly facts: ImageFacts;
  readonly rendition?: Rendition | undefined;
  readonly placeholder?: string | undefined;
}

/** Processes what is given no processor of its own: one for all, so that its limits hold for the whole process. */
export const defaultProcessor: ImageProcessor = new SharpProcessor();

/** A filter that looks at an image. All those of one field that have the same processor decode it once. */
export abstract class ImageFilter implements AttachmentFilter {
  readonly processor: ImageProcessor;
  /** Known before the image is, so that all filters of a field can be served from one decoding. */
  readonly wish: ImageWish;

  constructor({ processor = defaultProcessor }: ImageFilterOptions, wish: ImageWish) {
    this.processor = processor;
    this.wish = wish;
  }

  async apply(context: FilterContext): Promise<void> {
    const job = context.share(this.processor, () => new ImageJob(this.processor, context));
    await this.keep(await job.grant(this), context);
  }

  /** Puts what was made where it belongs, or refuses the image. */
  protected abstract keep(granted: GrantedWish, context: FilterContext): Promise<void> | void;
}

/** The image of one attachment, for all filters of one processor. */
class ImageJob {
  readonly #processor: ImageProcessor;
  readonly #context: FilterContext;
  readonly #filters: readonly ImageFilter[];
  #input: Promise<ImageInput> | undefined;
  #processed: Promise<ProcessedImage> | undefined;

  constructor(processor: ImageProcessor, context: FilterContext) {
    this.#processor = processor;
    this.#context = context;
    this.#filters = context.filters.filter(
      (filter): filter is ImageFilter => filter instanceof ImageFilter && filter.processor === processor,
    );
  }

  /** A filter that is not in the field's list, since another one calls it, is served by itself. */
  async grant(filter: ImageFilter): Promise<GrantedWish> {
    const index = this.#filters.indexOf(filter);
    if (index < 0) return grantedTo(0, await this.#process([filter]));
    this.#processed ??= this.#process(this.#filters);
    return grantedTo(index, await this.#processed);
  }

  async #process(filters: readonly ImageFilter[]): Promise<ProcessedImage> {
    this.#input ??= this.#hold();
    const renditions = filters.map(({ wish }) => wish.rendition);
    const placeholder = filters.some(({ wish }) => wish.placeholder);
    return this.#processor.process(await this.#input, { renditions, placeholder }, this.#context.signal);
  }

  async #hold(): Promise<ImageInput> {
    const { source, original, signal } = this.#context;
    if (original.size <= MAX_IN_MEMORY) return source.buffer();
    const path = await source.localPath();
    if (path !== undefined) return { path };
    const held = await holdContent(source.open(), { signal });
    this.#context.atEnd(() => held.release());
    return held.input;
  }
}

function grantedTo(index: number, { facts, renditions, placeholder }: ProcessedImage): GrantedWish {
  return { facts, rendition: renditions[index], placeholder };
}
