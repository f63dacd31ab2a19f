/** What an Express application shows to a part that is mounted on it. */
export interface ParentApplication {
  readonly locals: object;
  /** Where the application itself is mounted. */
  readonly mountpath: unknown;
  /** The application that it is mounted on; none for the outermost. */
  readonly parent?: ParentApplication | undefined;
}

/** The path below which an application is mounted; empty for the outermost. */
export function pathOf({ parent, mountpath }: ParentApplication): string {
  return parent ? pathOf(parent) + plainPath(mountpath) : '';
}

/**
 * Makes Express say where a middleware is mounted.
 *
 * For `app.use(f)` Express takes a function with `handle` and `set` for an application of its own kind: it notes the
 * path in `f.mountpath`, and emits `mount` on it, before `app.use` returns. Connect and node:http see the same function.
 * @see https://expressjs.com/en/api.html#app.onmount
 */
export function mountable<Middleware extends (...args: never[]) => unknown>(
  middleware: Middleware,
  onMount: (parent: ParentApplication, mountPath: string) => void,
): Middleware {
  const application = Object.assign(middleware, {
    mountpath: '/' as unknown,
    handle: middleware,
    set: () => application,
    emit: (_event: 'mount', parent: ParentApplication) => onMount(parent, plainPath(application.mountpath)),
  });
  return application;
}

/** A path can be one string, several, or a pattern; URLs are built of the first string, without its last slash. */
function plainPath(mountPath: unknown): string {
  const [first] = [mountPath].flat();
  return typeof first === 'string' ? first.replace(/\/$/, '') : '';
}
