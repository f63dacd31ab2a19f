import { DepotError } from '../errors.js';

/** A package that only some applications need: loaded when it is first used, and not installed with filedepot. */
export class OptionalPeer<Module> {
  readonly packageName: string;
  readonly #import: () => Promise<Module>;
  #module: Promise<Module> | undefined;

  /**
   * @param packageName what to install
   * @param importModule `() => import(…)`, written where it is used, so that compilers and bundlers see the name
   */
  constructor(packageName: string, importModule: () => Promise<Module>) {
    this.packageName = packageName;
    this.#import = importModule;
  }

  /**
   * The package's module; every caller gets the same.
   * @throws DepotError `MISSING_PACKAGE`
   */
  load(): Promise<Module> {
    this.#module ??= this.#import().catch((cause) => {
      throw new DepotError('MISSING_PACKAGE', this.#explain(cause), { cause });
    });
    return this.#module;
  }

  /** Uses this module from now on in place of the installed package. */
  provide(module: Module): void {
    this.#module = Promise.resolve(module);
  }

  #explain(cause: NodeJS.ErrnoException): string {
    const { packageName } = this;
    if (isMissing(packageName, cause))
      return `Package "${packageName}" is not installed: npm install ${packageName}`;
    return `Package "${packageName}" is installed, but does not load: npm install ${packageName} may repair it`;
  }
}

/** Whether the package itself was not found, and not something that it needs in turn. */
function isMissing(packageName: string, { code, message }: NodeJS.ErrnoException): boolean {
  const isNotFound = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  return isNotFound && message.includes(`'${packageName}'`);
}
