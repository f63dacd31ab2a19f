import { DepotError } from '../errors.js';

/** Options as they were given: by their names, in camelCase or snake_case, as values or as text. */
export type GivenOptions = ReadonlyArray<readonly [name: string, value: unknown]>;

/** How one option is understood, whether it comes from code, a setting or a URL. */
export interface OptionReader<Value> {
  /** What it takes, for error messages. */
  readonly wanted: string;
  readonly isRequired: boolean;
  /** The option's value, or nothing where it cannot be one. */
  read(given: unknown): Value | undefined;
}

/** A reader for each option of a backend. */
export type OptionReaders<Options> = {
  readonly [Name in keyof Options]-?: OptionReader<Exclude<Options[Name], undefined>>;
};

/** Text that is not empty. */
export const text: OptionReader<string> = {
  wanted: 'a text',
  isRequired: false,
  read: (given) => (typeof given === 'string' && given !== '' && !given.includes('\0') ? given : undefined),
};

/** One of a few words. */
export function choice<Word extends string>(...words: readonly Word[]): OptionReader<Word> {
  return {
    wanted: `one of ${words.join(', ')}`,
    isRequired: false,
    read: (given) => words.find((word) => word === given),
  };
}

/** A whole number from 1, also as text. */
export const count: OptionReader<number> = {
  wanted: 'a whole number from 1',
  isRequired: false,
  read: (given) => {
    const number = typeof given === 'string' && /^\d+$/.test(given) ? Number(given) : given;
    return typeof number === 'number' && Number.isSafeInteger(number) && number >= 1 ? number : undefined;
  },
};

/** Yes or no, also as text. */
export const flag: OptionReader<boolean> = {
  wanted: 'true or false',
  isRequired: false,
  read: (given) => {
    if (typeof given === 'boolean') return given;
    return given === 'true' || given === 'false' ? given === 'true' : undefined;
  },
};

/** What either of two readers takes. */
export function either<One, Other>(
  one: OptionReader<One>,
  other: OptionReader<Other>,
): OptionReader<One | Other> {
  return {
    wanted: `${one.wanted} or ${other.wanted}`,
    isRequired: false,
    read: (given) => one.read(given) ?? other.read(given),
  };
}

/** A function of the application's. */
export function callback<Callback extends (...parameters: never[]) => unknown>(): OptionReader<Callback> {
  return {
    wanted: 'a function',
    isRequired: false,
    read: (given) => (typeof given === 'function' ? (given as Callback) : undefined),
  };
}

/** An object that the application has made, known by its members. */
export function instance<Value extends object>(
  ...members: readonly (keyof Value & string)[]
): OptionReader<Value> {
  const isInstance = (given: unknown): given is Value =>
    typeof given === 'object' && given !== null && members.every((name) => name in given);
  return {
    wanted: `an object with ${members.join(' and ')}`,
    isRequired: false,
    read: (given) => (isInstance(given) ? given : undefined),
  };
}

/** An option that cannot be left out. */
export function required<Value>(reader: OptionReader<Value>): OptionReader<Value> {
  return { ...reader, isRequired: true };
}

/**
 * Options by their real names, each with its checked value.
 * @param owner what the options belong to, for error messages
 * @throws DepotError `INVALID_OPTION` for one that is unknown, wrong, missing or given twice
 */
export function readOptions<Options>(
  readers: OptionReaders<Options>,
  given: GivenOptions,
  owner: string,
): Options {
  const known = new Map<string, OptionReader<unknown>>(Object.entries(readers));
  const options = new Map<string, unknown>();
  for (const [givenName, value] of given) {
    const name = toCamelCase(givenName);
    const reader = known.get(name);
    if (!reader)
      throw invalidOption(`${owner}: no option is called "${givenName}"; there are: ${listOf(known.keys())}`);
    if (options.has(name)) throw invalidOption(`${owner}: the option "${name}" is given twice`);
    options.set(name, readValue(reader, value, `${owner}: the option "${name}"`));
  }
  requireAll(known, options, owner);
  return Object.fromEntries(options) as Options;
}

/** The value is not repeated in the message: it may be a secret. */
function readValue(reader: OptionReader<unknown>, given: unknown, subject: string): unknown {
  const value = reader.read(given);
  if (value === undefined) throw invalidOption(`${subject} must be ${reader.wanted}`);
  return value;
}

function requireAll(
  known: ReadonlyMap<string, OptionReader<unknown>>,
  options: ReadonlyMap<string, unknown>,
  owner: string,
): void {
  for (const [name, { isRequired }] of known) {
    if (isRequired && !options.has(name)) throw invalidOption(`${owner}: the option "${name}" is missing`);
  }
}

/** `storage_path` and `storagePath` are the same option. */
export function toCamelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Words for an error message. */
export function listOf(words: Iterable<string>): string {
  return [...words].join(', ') || 'none';
}

export function invalidOption(message: string, cause?: unknown): DepotError {
  return new DepotError('INVALID_OPTION', message, { cause });
}
