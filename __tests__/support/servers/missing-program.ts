import { findProgram, PROGRAMS, type ProgramName } from './programs.js';

/** A program that some tests need is not on this machine. */
export class MissingProgramError extends Error {
  constructor(name: ProgramName) {
    const { title, variable } = PROGRAMS[name];
    super(`There is no ${title}: "npm run servers" tells why, or set ${variable}`);
    this.name = 'MissingProgramError';
  }
}

/**
 * The path of a program.
 * @throws MissingProgramError
 */
export function programFor(name: ProgramName): string {
  const path = findProgram(name);
  if (path === undefined) throw new MissingProgramError(name);
  return path;
}
