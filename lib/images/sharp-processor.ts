import { open } from 'node:fs/promises';
import type { Sharp, SharpConstructor } from 'sharp';
import { DepotError } from '../errors.js';
import { detectContentType, HEAD_BYTES } from '../internal/content-type.js';
import { OptionalPeer } from '../internal/peer.js';
import { Semaphore } from '../internal/semaphore.js';
import { acceptedFormat, canBeAnimated, type OutputFormat, outputFormatOf } from './formats.js';
import { exactFrame, type Frame, isLarger } from './geometry.js';
import type {
  ImageInput,
  ImageProcessor,
  ImageRequest,
  ProcessedImage,
  Rendition,
  RenditionRequest,
} from './image-processor.js';
import { assertWithin, checkedLimits, type ImageLimitOptions, type ImageLimits } from './limits.js';
import { decode, openPixels } from './sharp/decode.js';
import { failAsUnwritten, PLACEHOLDER_FRAME, placeholderOf, render } from './sharp/encode.js';
import { failAsInvalid, type ImageHeader, SharpSource, withNameable } from './sharp/source.js';

const sharpPeer = new OptionalPeer('sharp', () => import('sharp'));

/** Processes images with the package `sharp`, which is loaded when the first image comes. */
export class SharpProcessor implements ImageProcessor {
  readonly #limits: ImageLimits;
  readonly #slots: Semaphore;

  /** @throws DepotError `INVALID_OPTION` */
  constructor(limits: ImageLimitOptions = {}) {
    this.#limits = checkedLimits(limits);
    this.#slots = new Semaphore(this.#limits.concurrency);
  }

  async process(input: ImageInput, request: ImageRequest, signal?: AbortSignal): Promise<ProcessedImage> {
    const { default: sharp } = await sharpPeer.load();
    const leave = await this.#slots.acquire(signal);
    const deadline = new AbortController();
    const signals = [deadline.signal, ...(signal ? [signal] : [])];
    const run = (nameable: ImageInput) =>
      new Work(sharp, nameable, request, this.#limits, AbortSignal.any(signals)).run();
    const work = withNameable(input, run);
    return beforeDeadline(work.finally(leave), this.#limits.timeout, deadline);
  }
}

/** A picture that is wanted, and what it is to be written in. */
interface Wish {
  readonly request: RenditionRequest;
  readonly frame: Frame;
  readonly format: OutputFormat;
  readonly keepsAnimation: boolean;
}

/** One image on its way. The pictures are made one after the other: a single thread is kept busy. */
class Work {
  readonly #sharp: SharpConstructor;
  readonly #input: ImageInput;
  readonly #request: ImageRequest;
  readonly #limits: ImageLimits;
  readonly #signal: AbortSignal;
  readonly #source: SharpSource;

  constructor(
    sharp: SharpConstructor,
    input: ImageInput,
    request: ImageRequest,
    limits: ImageLimits,
    signal: AbortSignal,
  ) {
    this.#sharp = sharp;
    this.#input = input;
    this.#request = request;
    this.#limits = limits;
    this.#signal = signal;
    this.#source = new SharpSource(sharp, input, limits);
  }

  /** sharp sees nothing of which the first bytes do not say that it is one of our formats. */
  async run(): Promise<ProcessedImage> {
    const format = acceptedFormat(await detectContentType(await readHead(this.#input)));
    const header = await this.#source.header(format);
    const wishes = this.#request.renditions.map((request) => toWish(request, header));
    const keepsAnimation = wishes.some((wish) => wish?.keepsAnimation);
    assertWithin(this.#limits, header, keepsAnimation ? header.pages : 1);
    const openDecoded = await this.#decode(header, wishes);
    const placeholder = this.#request.placeholder
      ? await placeholderOf(openDecoded).catch(failAsUnwritten)
      : undefined;
    const renditions = await this.#render(wishes, openDecoded);
    const { width, height, pages, animated } = header;
    return { facts: { format: header.format, width, height, pages, animated }, renditions, placeholder };
  }

  /** Even where nothing is wanted: only this tells that all of the image is there. */
  async #decode(header: ImageHeader, wishes: readonly (Wish | undefined)[]): Promise<() => Sharp> {
    const still = wishes.filter((wish) => wish && !wish.keepsAnimation);
    const frames: Frame[] = [PLACEHOLDER_FRAME, ...still.flatMap((wish) => wish?.request ?? [])];
    const pixels = await decode(this.#source, header, frames);
    return () => openPixels(this.#sharp, pixels).timeout({ seconds: this.#limits.timeout });
  }

  async #render(
    wishes: readonly (Wish | undefined)[],
    openDecoded: () => Sharp,
  ): Promise<(Rendition | undefined)[]> {
    const renditions: (Rendition | undefined)[] = [];
    for (const wish of wishes) {
      this.#signal.throwIfAborted();
      renditions.push(wish && (await this.#renderOne(wish, openDecoded)));
    }
    return renditions;
  }

  /** Frames of an animation are decoded again for each picture, one by one: together they would not fit into memory. */
  #renderOne({ request, frame, format, keepsAnimation }: Wish, openDecoded: () => Sharp): Promise<Rendition> {
    if (!keepsAnimation) return render(openDecoded(), frame, format, request).catch(failAsUnwritten);
    return render(this.#source.open({ animated: true }), frame, format, request).catch(failAsInvalid);
  }
}

function toWish(request: RenditionRequest | undefined, header: ImageHeader): Wish | undefined {
  if (!request || (request.onlyIfLarger && !isLarger(header, request))) return undefined;
  const format = request.format ?? outputFormatOf(header.format);
  const { width, height, fit } = exactFrame(header, request);
  const frame = { width, height, fit };
  return { request, frame, format, keepsAnimation: header.animated && canBeAnimated(format) };
}

async function readHead(input: ImageInput): Promise<Uint8Array> {
  if (input instanceof Uint8Array) return input.subarray(0, HEAD_BYTES);
  const file = await open(input.path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Decoders that cannot be stopped end some day; whoever waits for them need not. */
async function beforeDeadline<Result>(
  work: Promise<Result>,
  seconds: number,
  deadline: AbortController,
): Promise<Result> {
  const late = new DepotError('IMAGE_TIMEOUT', `The image took longer than ${seconds} seconds`);
  const passed = new Promise<never>((_resolve, reject) => {
    deadline.signal.addEventListener('abort', () => reject(late), { once: true });
  });
  const timer = setTimeout(() => deadline.abort(late), seconds * 1000);
  try {
    return await Promise.race([work, passed]);
  } finally {
    clearTimeout(timer);
  }
}
