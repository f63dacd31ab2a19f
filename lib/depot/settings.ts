import { OPTION_NAMES } from './config.js';
import { type GivenOptions, invalidOption, toCamelCase } from './options.js';

/** Flat settings, as from the environment or an .ini file. */
export type FlatSettings = Readonly<Record<string, string | undefined>>;

/** What flat settings say of a manager. */
export interface DepotSettings {
  /** Options of each storage by its name. */
  readonly storages: ReadonlyMap<string, GivenOptions>;
  /** Names of storages by their aliases. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly defaultName: string | undefined;
  readonly signingKeys: readonly string[] | undefined;
}

/** The storage of settings that name none; the word that names the default one. */
const DEFAULT = 'default';

const ALIAS_OF = 'aliasOf';

/** A setting of the manager itself: keys without commas, and without spaces at their ends, the newest first. */
const SIGNING_KEYS = 'signingKeys';

/** A setting: whose it is, if it says so, and what it is called. */
interface SettingName {
  readonly section: string | undefined;
  readonly option: string;
}

type Section = Array<readonly [option: string, value: string]>;

/**
 * Reads the settings that begin with a prefix. Unset and empty ones count as absent.
 * @throws DepotError `INVALID_OPTION`
 */
export function parseSettings(settings: FlatSettings, prefix: string): DepotSettings {
  const isVariables = prefix.endsWith('_');
  const split = isVariables ? splitVariable : splitKey;
  const sections = new Map<string, Section>();
  let defaultName: string | undefined;
  let signingKeys: string[] | undefined;
  for (const [key, value] of Object.entries(settings)) {
    if (!value || !key.startsWith(prefix)) continue;
    const { section, option } = split(key.slice(prefix.length), key);
    if (section === undefined && option === DEFAULT) defaultName = value;
    else if (section === undefined && option === SIGNING_KEYS)
      signingKeys = value.split(',').map((key) => key.trim());
    else append(sections, section ?? DEFAULT, [option, value]);
  }
  if (sections.size === 0) {
    const [backend, url] = isVariables ? ['BACKEND', 'URL'] : ['backend', 'url'];
    throw invalidOption(
      `No storage is configured: there is neither "${prefix}${backend}" nor "${prefix}${url}"`,
    );
  }
  if (sections.has(DEFAULT)) defaultName ??= DEFAULT;
  return { ...separateAliases(sections), defaultName, signingKeys };
}

function append(sections: Map<string, Section>, name: string, setting: Section[number]): void {
  const section = sections.get(name);
  if (section) section.push(setting);
  else sections.set(name, [setting]);
}

/** `backend`, or `photos.backend`. The name may have dots of its own. */
function splitKey(rest: string): SettingName {
  const dot = rest.lastIndexOf('.');
  const section = dot === -1 ? undefined : rest.slice(0, dot);
  return { section, option: toCamelCase(rest.slice(dot + 1)) };
}

/** `STORAGE_PATH`, or `USER_PHOTOS_STORAGE_PATH`: of the options that it may end in, the longest. */
function splitVariable(rest: string, key: string): SettingName {
  const words = rest.toLowerCase().split('_');
  for (let start = 0; start < words.length; start++) {
    const section = start === 0 ? undefined : words.slice(0, start).join('_');
    const option = toCamelCase(words.slice(start).join('_'));
    if (OPTION_NAMES.has(option) || option === ALIAS_OF) return { section, option };
    if (section === undefined && (option === DEFAULT || option === SIGNING_KEYS)) return { section, option };
  }
  throw invalidOption(`The variable ${key} does not end in an option of any storage`);
}

function separateAliases(
  sections: ReadonlyMap<string, Section>,
): Pick<DepotSettings, 'storages' | 'aliases'> {
  const storages = new Map<string, GivenOptions>();
  const aliases = new Map<string, string>();
  for (const [name, options] of sections) {
    const alias = options.find(([option]) => option === ALIAS_OF);
    if (!alias) storages.set(name, options);
    else if (options.length === 1) aliases.set(name, alias[1]);
    else throw invalidOption(`"${name}" is an alias, and cannot have options of its own`);
  }
  for (const [alias, name] of aliases) aliases.set(alias, endOf(aliases, name));
  return { storages, aliases };
}

/** What an alias of an alias stands for, in whatever order they are set; nobody, where they go round in a circle. */
function endOf(aliases: ReadonlyMap<string, string>, name: string): string {
  let end = name;
  for (let steps = 0; steps < aliases.size; steps++) end = aliases.get(end) ?? end;
  return end;
}
