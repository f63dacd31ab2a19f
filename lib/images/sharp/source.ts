import { randomInt } from 'node:crypto';
import { rm, symlink } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { Metadata, Sharp, SharpConstructor, SharpOptions } from 'sharp';
import { DepotError } from '../../errors.js';
import { canBeAnimated, type ImageFormat } from '../formats.js';
import { newHeldPath } from '../held-files.js';
import type { ImageFacts, ImageInput } from '../image-processor.js';
import type { ImageLimits } from '../limits.js';

/** What the header of an image says. */
export interface ImageHeader extends ImageFacts {
  /** Whether its colours have 16 bits each and a profile of their own. */
  readonly isDeepColour: boolean;
}

/** EXIF: nothing needs to be turned (https://www.cipa.jp/std/documents/download_e.html?CIPA_DC-008-2024-E, Orientation). */
const UPRIGHT = 1;

/** An image that sharp opens; every time with what keeps a hostile one from doing harm. */
export class SharpSource {
  readonly #sharp: SharpConstructor;
  readonly #input: string | Uint8Array;
  readonly #limits: ImageLimits;

  constructor(sharp: SharpConstructor, input: ImageInput, limits: ImageLimits) {
    this.#sharp = sharp;
    this.#input = input instanceof Uint8Array ? input : newNameOf(input.path);
    this.#limits = limits;
  }

  /** Truncated or damaged pixels are an error; what merely offends the format's standard is not: some cameras do. */
  open(options: SharpOptions = {}): Sharp {
    const { maxPixels, timeout } = this.#limits;
    return this.#sharp(this.#input, { failOn: 'error', limitInputPixels: maxPixels, ...options }).timeout({
      seconds: timeout,
    });
  }

  /**
   * Reads the header, and no pixels.
   * @param format what the magic bytes say it is
   * @throws DepotError `IMAGE_INVALID`, `IMAGE_NOT_ACCEPTED`
   */
  async header(format: ImageFormat): Promise<ImageHeader> {
    const metadata = await this.open({ limitInputPixels: false }).metadata().catch(failAsInvalid);
    this.#assertReadable(metadata, format);
    const { autoOrient, orientation = UPRIGHT, pages = 1 } = metadata;
    return {
      format: metadata.compression === 'av1' ? 'avif' : format,
      width: autoOrient.width,
      height: autoOrient.height,
      pages,
      animated: canBeAnimated(format) && pages > 1 && orientation === UPRIGHT,
      isDeepColour: metadata.depth === 'ushort' && metadata.hasProfile,
    };
  }

  /** The decoder that was found must be the one that was allowed; and the usual builds of sharp cannot decode HEVC. */
  #assertReadable(metadata: Metadata, format: ImageFormat): void {
    const expected = format === 'avif' ? 'heif' : format;
    const isHevc = metadata.compression === 'hevc';
    const readsHevc = this.#sharp.format.heif.input.fileSuffix?.includes('.heic');
    if (metadata.format === expected && (readsHevc || !isHevc)) return;
    const found = isHevc ? 'HEIC' : metadata.format;
    throw new DepotError('IMAGE_NOT_ACCEPTED', `Images of type ${found} cannot be processed here`);
  }
}

/**
 * Runs with an image that libvips can be told of: it takes brackets at the end of a name for options.
 * @see https://www.libvips.org/API/current/ctor.Image.new_from_file.html
 */
export async function withNameable<Result>(
  input: ImageInput,
  run: (input: ImageInput) => Promise<Result>,
): Promise<Result> {
  if (input instanceof Uint8Array || !input.path.endsWith(']')) return run(input);
  const path = newHeldPath();
  await symlink(resolve(input.path), path);
  try {
    return await run({ path });
  } finally {
    await rm(path);
  }
}

/** Begins anywhere, since libvips is one for all threads of a process. */
let names = randomInt(2 ** 32);

/**
 * A name of a file that nobody has called it by. libvips remembers images by the names of their files, and would show what
 * a file held before it was written again (interlaced PNG, WebP, tiled TIFF).
 */
function newNameOf(path: string): string {
  names += 1;
  const detour = names.toString(2).replaceAll('0', './').replaceAll('1', './/');
  return `${dirname(path)}/${detour}${basename(path)}`;
}

/**
 * Whatever goes wrong while an image is read is the image's fault. The last line tells what; those before are of attempts.
 * Clients see it: paths are left out.
 */
export function failAsInvalid(cause: Error): never {
  if (/^timeout: /m.test(cause.message)) throw new DepotError('IMAGE_TIMEOUT', undefined, { cause });
  const reason = cause.message.trim().split('\n').at(-1);
  const message = !reason || /[/\\]/.test(reason) ? 'The image is broken' : `The image is broken: ${reason}`;
  throw new DepotError('IMAGE_INVALID', message, { cause });
}
