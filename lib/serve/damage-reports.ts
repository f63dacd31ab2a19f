import { type DepotError, isDepotError } from '../errors.js';

/** Damages that are remembered as told of. */
const MAX_TOLD = 1000;

/** Sees to it that damage to a file is told of once, and not for each request. */
export class DamageReports {
  readonly #told = new Set<string>();

  /** The damage behind an error, unless it was told of before. */
  newDamage(error: unknown): DepotError | undefined {
    const cause = isDepotError(error) ? error.cause : undefined;
    if (!isDepotError(cause, 'FILE_DAMAGED') || this.#told.has(cause.message)) return undefined;
    if (this.#told.size >= MAX_TOLD) this.#told.clear();
    this.#told.add(cause.message);
    return cause;
  }
}
