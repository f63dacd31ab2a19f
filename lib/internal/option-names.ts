import { DepotError } from '../errors.js';

/**
 * Refuses options that do not exist: one that is misspelt would count as left out, and leave open what it was to close.
 * @param owner what the options belong to, for error messages
 * @throws DepotError `INVALID_OPTION`
 */
export function assertOptionNames(given: unknown, names: readonly string[], owner: string): void {
  if (typeof given !== 'object' || given === null) throw invalid(`${owner}: options must be an object`);
  const unknown = Object.entries(given).find(([name, value]) => value !== undefined && !names.includes(name));
  if (unknown) throw invalid(`${owner}: no option is called "${unknown[0]}"; there are: ${names.join(', ')}`);
}

function invalid(message: string): DepotError {
  return new DepotError('INVALID_OPTION', message);
}
