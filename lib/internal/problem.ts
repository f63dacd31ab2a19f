import { type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http';
import { constants, Http2ServerResponse } from 'node:http2';
import { type FormFile, isDepotError } from '../errors.js';

/** Problem details (RFC 9457 section 3). */
export interface ProblemDetails {
  /** `about:blank`: the status says it all, and `code` the rest (section 4.2.1). */
  readonly type: 'about:blank';
  /** The phrase of the status. */
  readonly title: string;
  readonly status: number;
  /** What happened, for people. */
  readonly detail?: string;
  /** Stable code of the error; absent where it is none of filedepot's. */
  readonly code?: string;
  /** The file of a form that was refused, as the client names it. */
  readonly file?: FormFile;
}

/** An answer to a request that failed. */
export interface Problem {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: ProblemDetails;
}

/** Not stored by anybody: some of these statuses are cached for a while if nothing is said (RFC 9110 section 15.1). */
const PROBLEM_HEADERS = {
  'Content-Type': 'application/problem+json',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
};

/** What a client is told of an error: nothing of what went wrong inside. */
export function toProblem(error: unknown): Problem {
  const status = httpStatusOf(error) ?? 500;
  const title = STATUS_CODES[status] ?? '';
  const body: ProblemDetails = { type: 'about:blank', title, status, ...explanation(error) };
  return { status, headers: PROBLEM_HEADERS, body };
}

/** The HTTP status that an error asks for, as those of filedepot and of http-errors do; nothing for other errors. */
export function httpStatusOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { status, statusCode } = error as { status?: unknown; statusCode?: unknown };
  return [status, statusCode].find(isErrorStatus);
}

function isErrorStatus(status: unknown): status is number {
  return Number.isInteger(status) && Number(status) >= 400 && Number(status) < 600;
}

/** Messages of server errors may name paths and hosts, so that clients get the title of their code instead. */
function explanation(error: unknown): Pick<ProblemDetails, 'detail' | 'code' | 'file'> {
  if (isDepotError(error)) {
    const { code, status, message, title, file } = error;
    return { detail: status < 500 ? message : title, code, ...(file && { file }) };
  }
  return isForClients(error) ? { detail: error.message } : {};
}

/** Whether an error says, as http-errors do, that its message is meant to be seen. */
function isForClients(error: unknown): error is Error {
  return error instanceof Error && 'expose' in error && error.expose === true;
}

/**
 * Answers a request with the problem that an error is. An answer that has begun is cut off instead, so that the client
 * cannot take it for complete.
 * @param headers sent beside those of the problem
 */
export function sendProblem(res: ServerResponse, error: unknown, headers: OutgoingHttpHeaders = {}): void {
  if (res.headersSent) {
    cutOff(res);
    return;
  }
  const problem = toProblem(error);
  const body = JSON.stringify(problem.body);
  res.writeHead(problem.status, {
    ...problem.headers,
    ...headers,
    'Content-Length': Buffer.byteLength(body),
  });
  res.end(body);
}

/** A stream of HTTP/2 that is destroyed without a code ends as if it were complete (RFC 9113 section 8.1). */
function cutOff(res: ServerResponse | Http2ServerResponse): void {
  if (res instanceof Http2ServerResponse) res.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else res.destroy();
}
