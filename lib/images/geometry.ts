/** Pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * How an image is brought into a frame; it is never enlarged.
 * - `inside`: whole, as large as the frame allows.
 * - `cover`: fills the frame, what stands over is cut off evenly.
 * - `contain`: whole, on a background of the frame's size: transparent, or white where the format knows no transparency.
 * - `fill`: stretched to the frame.
 */
export type Fit = 'inside' | 'cover' | 'contain' | 'fill';

/** A frame that an image is to be brought into. */
export interface Frame extends Size {
  readonly fit: Fit;
}

/** How much of an image's size is needed for a frame: at most 1, since nothing is enlarged. */
export function neededScale(image: Size, frame: Frame): number {
  const [across, down] = [frame.width / image.width, frame.height / image.height];
  const isWhole = frame.fit === 'inside' || frame.fit === 'contain';
  return Math.min(1, isWhole ? Math.min(across, down) : Math.max(across, down));
}

/** The smallest size of an image from which all the frames can be made; one pixel where there is none. */
export function commonSize(image: Size, frames: readonly Frame[]): Size {
  const scale = Math.max(0, ...frames.map((frame) => neededScale(image, frame)));
  return { width: scaled(image.width, scale), height: scaled(image.height, scale) };
}

/**
 * A frame that gives the same picture of pixels that have the size of `commonSize`: their rounded sides must not be rounded
 * once more.
 */
export function exactFrame(image: Size, frame: Frame): Frame {
  if (frame.fit !== 'inside') return frame;
  const scale = neededScale(image, frame);
  return { width: scaled(image.width, scale), height: scaled(image.height, scale), fit: 'fill' };
}

/** Whether an image does not fit into a frame as it is. */
export function isLarger(image: Size, frame: Size): boolean {
  return image.width > frame.width || image.height > frame.height;
}

/** However narrow an image is, one pixel stays. */
function scaled(length: number, scale: number): number {
  return Math.max(1, Math.round(length * scale));
}
