import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { StorageDirectory } from '../contract/storage-directory.js';
import { DepotError, isDepotError } from '../errors.js';
import { tell } from '../internal/failure-log.js';
import { httpStatusOf, sendProblem } from '../internal/problem.js';
import { DamageReports } from './damage-reports.js';
import { type DeliveryContext, deliver } from './delivery.js';
import { Departure } from './departure.js';
import { checkedOptions, limitedTo, type ServeOptions, type ServeSettings } from './options.js';
import { secondsLeft } from './signed-url.js';
import { belowMountpoint, type FileTarget, parseTarget } from './target.js';

/** Hands a request, or an error, on to the next handler. */
export type Next = (error?: unknown) => void;

/** A handler for Express, Connect and, where there is no `next`, for `node:http`. */
export type ServeMiddleware = (req: IncomingMessage, res: ServerResponse, next?: Next) => void;

/**
 * Serves the files of storages: `GET` and `HEAD` of `<mountpoint>/<storage>/<id>[/<filename>][?download&variant=<name>]`;
 * all else goes on to `next`. What a client did wrong is answered as problem details (RFC 9457); other failures go to `next`. Where
 * there is no `next` everything is answered here.
 * @throws DepotError `INVALID_OPTION`
 */
export function serveFiles(directory: StorageDirectory, options: ServeOptions = {}): ServeMiddleware {
  const settings = checkedOptions(options);
  const reports = new DamageReports();
  return (req, res, next) => {
    const target = targetOf(req, settings);
    if (target !== undefined) {
      void serve(target, { directory, settings, reports, req, res, next, departure: new Departure(res) });
    } else if (next) next();
    else sendProblem(res, new DepotError('INVALID_PATH', 'There is nothing here'));
  };
}

interface Exchange extends Omit<DeliveryContext, 'isPrivate'> {
  readonly directory: StorageDirectory;
  readonly reports: DamageReports;
  readonly next: Next | undefined;
}

function targetOf({ method, url = '' }: IncomingMessage, { mountpoint }: ServeSettings): string | undefined {
  return method === 'GET' || method === 'HEAD' ? belowMountpoint(mountpoint, url) : undefined;
}

/** Never fails: an error ends as an answer, in the next handler, or with a client that has left. */
async function serve(target: string, exchange: Exchange): Promise<void> {
  const { directory, res, departure } = exchange;
  try {
    if (res.socket === null) await turnOf(res);
    if (res.destroyed) return;
    const fileTarget = parseTarget(target);
    const storage = directory.get(fileTarget.storage);
    const isPrivate = directory.isPrivate?.(fileTarget.storage) ?? false;
    const settings = settingsFor(fileTarget, isPrivate, exchange);
    await deliver(storage, fileTarget, { ...exchange, settings, isPrivate });
  } catch (error) {
    if (!departure.hasLeft) fail(exchange, error);
  } finally {
    departure.end();
  }
}

/**
 * A signature counts wherever there is one, so that a URL that was given away ends when it was said to.
 * @throws DepotError `URL_NOT_SIGNED`, `URL_INVALID`, `URL_EXPIRED`
 */
function settingsFor(
  target: FileTarget,
  isPrivate: boolean,
  { directory: { isSigned }, settings }: Exchange,
): ServeSettings {
  const seconds = isSigned && secondsLeft(target, isSigned, Date.now());
  if (seconds !== undefined) return limitedTo(seconds, settings);
  if (isPrivate) throw new DepotError('URL_NOT_SIGNED');
  return settings;
}

/**
 * Waits for a response that is queued behind another one on its connection (RFC 9112 section 9.3.2): until then it has no
 * socket and would not be told that the client leaves, so that nothing is opened for it.
 */
async function turnOf(res: ServerResponse): Promise<void> {
  await once(res, 'socket');
}

/** A client's mistake is answered at once; a failure of ours is for the application to see, and to answer. */
function fail({ settings, reports, req, res, next }: Exchange, error: unknown): void {
  const isOurs = !isDepotError(error) || error.status >= 500;
  const news = isOurs ? !next && !isRefusal(error) && error : reports.newDamage(error);
  if (news) tell(settings.onError, news, req);
  // An answer that has begun is nobody else's to go on with.
  if (next && settings.fallthrough && !res.headersSent && isDepotError(error) && error.status === 404) {
    next();
    return;
  }
  if (!next || !isOurs || res.headersSent) sendProblem(res, error);
  if (next && isOurs) next(error);
}

/** Whether the application has refused the request, as errors of http-errors do. */
function isRefusal(error: unknown): boolean {
  return (httpStatusOf(error) ?? 500) < 500;
}
